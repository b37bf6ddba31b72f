/// What the compiler and the C library are, said once for all sources. Nothing of the library is declared here, which
/// is why python/src includes it, too.
#pragma once

#include <cstddef>  // for __GLIBC__

/// 1 where memory is watched by AddressSanitizer, else 0.
#if defined(__SANITIZE_ADDRESS__)
#define STRIDEPORT_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STRIDEPORT_ADDRESS_SANITIZER 1
#else
#define STRIDEPORT_ADDRESS_SANITIZER 0
#endif
#else
#define STRIDEPORT_ADDRESS_SANITIZER 0
#endif

/// For thread-local objects of a few bytes that every exchange looks at. glibc has room for them in libraries that are
/// loaded late, too, which saves a call.
#ifdef __GLIBC__
#define STRIDEPORT_NEAR_TLS [[gnu::tls_model("initial-exec")]]
#else
#define STRIDEPORT_NEAR_TLS
#endif
