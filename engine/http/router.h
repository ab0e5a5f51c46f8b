// Which handler a method and path belong to.
//
// Purpose  Routes are tried in the order they were added; a pattern is an ECMAScript regular
//          expression that must match the whole path, its groups become captures. HEAD goes where
//          GET goes.
// Thread   add() before, find() after, then from any thread.
// Errors   find() without a route: `allowed` empty means 404, else 405 with those methods.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/http/server.h"

namespace volley::http {

struct Route {
  std::string method;
  Access access = Access::kToken;
  Server::Handler handler;
};

struct RouteMatch {
  const Route* route = nullptr;
  std::vector<std::string> captures;
  std::string allowed;  // "GET, POST": methods of other routes that match the path
};

class Router {
 public:
  Router();
  ~Router();
  void add(const std::string& pattern, Route route);
  RouteMatch find(std::string_view method, const std::string& path) const;

 private:
  struct Entry;
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace volley::http
