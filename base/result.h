// Result<T>: a value, or an Error that says what kind of thing went wrong and how to mend it.
//
// Purpose    The return type of everything that can fail on the data path; nothing there throws.
// Errors     `Errc` decides the exit code (engine/cli/exit_code.h); `message` is one line for a person: it names the
//            file and line where there is one, and the remedy.
// Ownership  Values. Not for: broken invariants of our own, which abort.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace volley {

enum class Errc : uint8_t {
  kUsage,        // the command line (64)
  kData,         // what the user gave us is wrong (65)
  kNoInput,      // a file is missing or unreadable (66)
  kUnavailable,  // queue unreachable, data directory in use (69)
  kInternal,     // our fault (70)
  kCantCreate,   // an output file (73)
  kIo,           // disk full, read or write failed (74)
  kTempFail,     // not now, try again (75)
  kNoPermission, // refused credentials (77)
  kConfig,       // configuration (78)
  kConnection,   // a peer went away or never answered
  kProtocol,     // a peer broke its protocol
};

struct [[nodiscard]] Error {
  Errc code = Errc::kInternal;
  std::string message;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Asking a failure for its value (or a value for its error) is a broken invariant.
  T& value() & { assert(ok()); return std::get<0>(state_); }
  const T& value() const& { assert(ok()); return std::get<0>(state_); }
  T&& value() && { assert(ok()); return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const { assert(!ok()); return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : failed_(true), error_(std::move(error)) {}
  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { assert(failed_); return error_; }

 private:
  bool failed_ = false;
  Error error_;
};

using Status = Result<void>;

}  // namespace volley
