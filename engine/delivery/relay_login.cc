#include "engine/delivery/relay_login.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/files.h"
#include "base/log.h"

namespace volley::delivery {

RelayLogin::RelayLogin(std::shared_ptr<const smtp::Credentials> first, std::string file)
    : file_(std::move(file)), credentials_(std::move(first)) {}

std::optional<RelayLogin::Stamp> RelayLogin::stamp_of(const std::string& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return std::nullopt;
  return Stamp{info.st_dev,          info.st_ino,          info.st_size,
               info.st_mtim.tv_sec,  info.st_mtim.tv_nsec, info.st_ctim.tv_sec,
               info.st_ctim.tv_nsec, S_ISREG(info.st_mode)};
}

std::shared_ptr<const smtp::Credentials> RelayLogin::current() {
  const std::lock_guard lock(mutex_);
  if (file_.empty()) return credentials_;
  const std::optional<Stamp> now = stamp_of(file_);
  if (!now) {
    stamp_.reset();
    keep_the_old(file_ + ": " + std::strerror(errno));
    return credentials_;
  }
  if (!now->regular || stamp_ == now) return credentials_;
  // Of before the reading: what is written meanwhile is seen the next time.
  stamp_ = now;
  auto secret = read_secret(file_);
  if (!secret) {
    keep_the_old(secret.error().message);
    return credentials_;
  }
  auto fresh = std::make_shared<smtp::Credentials>(*credentials_);
  fresh->secret = std::move(*secret);
  if (const Status fit = smtp::check_credentials(*fresh); !fit) {
    keep_the_old(file_ + ": " + fit.error().message);
    return credentials_;
  }
  warned_ = false;
  credentials_ = std::move(fresh);
  return credentials_;
}

void RelayLogin::keep_the_old(const std::string& why) {
  if (!std::exchange(warned_, true)) log_warn("[relay] keeps the secret it had: " + why);
}

}  // namespace volley::delivery
