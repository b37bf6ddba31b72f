// A library that needs another one, which the dynamic linker will not find.
extern "C" int stand_in_needed();
extern "C" __attribute__((visibility("default"))) int cuInit(unsigned) { return stand_in_needed(); }
