// Writes the tables of memory traffic that bench/results holds; tests/traffic_test.cpp compares them with fresh counts.
//
//     traffic [--write FOLDER]

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>

#include "bench/traffic_tables.hpp"

int main(int count, char** arguments) {
  namespace bench = strideport::bench;
  const bool write = count == 3 && std::string(arguments[1]) == "--write";
  if (count != 1 && !write) {
    std::fputs("usage: traffic [--write FOLDER]\n", stderr);
    return 2;
  }
  try {
    const auto layouts = bench::cut_layouts(STRIDEPORT_DEVICE_LAYOUTS);
    const std::string traffic = bench::traffic_table(layouts);
    const std::string widths = bench::widths_table(layouts);
    if (!write) {
      std::cout << traffic << '\n' << widths;
      return 0;
    }
    const std::string folder = arguments[2];
    std::ofstream(folder + "/traffic.tsv") << traffic;
    std::ofstream(folder + "/kernel_widths.tsv") << widths;
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "traffic: %s\n", error.what());
    return 1;
  }
}
