#include "engine/http/router.h"

#include <regex>
#include <utility>

namespace volley::http {

struct Router::Entry {
  std::regex pattern;
  Route route;
};

Router::Router() = default;
Router::~Router() = default;

void Router::add(const std::string& pattern, Route route) {
  entries_.push_back(
      std::make_unique<Entry>(Entry{std::regex(pattern, std::regex::optimize), std::move(route)}));
}

RouteMatch Router::find(std::string_view method, const std::string& path) const {
  if (method == "HEAD") method = "GET";
  RouteMatch match;
  for (const auto& entry : entries_) {
    std::smatch groups;
    if (!std::regex_match(path, groups, entry->pattern)) continue;
    if (entry->route.method == method) {
      match.route = &entry->route;
      for (size_t i = 1; i < groups.size(); ++i) match.captures.push_back(groups[i].str());
      match.allowed.clear();
      return match;
    }
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += entry->route.method;
  }
  return match;
}

}  // namespace volley::http
