// [site."NAME"]: limits of one receiver, and whose they can be.
//
// Purpose  read_sites() takes every section; NAME is a provider ("google"), a recipient domain, an MX suffix (".example.net"), the
//          address of a route's host or "default". A NAME that could never apply is an error: no section is silently without effect.
// Errors   Noted in the table (file:line:column), with the provider that was probably meant.
// Thread   Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "engine/cli/relay_setting.h"

namespace volley::cli {

struct SiteSetting : LimitSetting {
  std::string match;  // lower case; domains as A-labels, addresses in their short form
  std::optional<std::string> chunking;  // "auto", "always", "never"
};

std::vector<SiteSetting> read_sites(Table& root);

}  // namespace volley::cli
