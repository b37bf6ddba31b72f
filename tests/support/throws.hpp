/// Expects an exception of exactly one type whose message holds the rule and the value.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <typeinfo>

#include "strideport/error.hpp"

namespace strideport::testing {

template <class Exception, class F>
void expect_throws(F&& f, std::initializer_list<const char*> parts) {
  try {
    f();
  } catch (const std::exception& error) {
    EXPECT_EQ(typeid(error), typeid(Exception)) << error.what();
    const std::string message = error.what();
    for (const char* part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
    return;
  }
  ADD_FAILURE() << "nothing was thrown; expected a message with '" << (parts.size() > 0 ? *parts.begin() : "") << "'";
}

}  // namespace strideport::testing
