// What needy.cpp needs.
extern "C" __attribute__((visibility("default"))) int stand_in_needed() { return 0; }
