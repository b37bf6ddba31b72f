// A library that is no driver.
extern "C" __attribute__((visibility("default"))) int stand_in_stranger() { return 1; }
