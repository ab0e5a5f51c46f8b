#include "engine/delivery/memory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/files.h"

namespace volley::delivery {
namespace {

using Json = nlohmann::json;

constexpr Duration kQuotaEvery = std::chrono::seconds(1);
constexpr Duration kHostsEvery = std::chrono::minutes(1);

}  // namespace

Status Memory::load(const std::string& path, WallTime now) {
  path_ = path;
  if (::access(path.c_str(), F_OK) != 0) return {};
  auto text = read_file(path);
  if (!text.ok()) return text.error();
  const Json document = Json::parse(*text, nullptr, false);
  if (!document.is_object())
    return Error{Errc::kData, path + ": no JSON; starting without what was learned"};
  if (document.contains("hosts")) {
    if (Status status = hosts.load(document["hosts"].dump(), now); !status) return status;
  }
  if (document.contains("daily")) {
    if (Status status = quota.load(document["daily"].dump()); !status) return status;
  }
  if (document.contains("mta_sts")) {
    if (Status status = policies.import_json(document["mta_sts"].dump(), now); !status)
      return status;
  }
  return {};
}

bool Memory::due(TimePoint now) {
  if (path_.empty()) return false;
  if (now - saved_ < (quota.changed() ? kQuotaEvery : kHostsEvery)) return false;
  saved_ = now;
  return true;
}

Status Memory::save(WallTime now) {
  if (path_.empty()) return {};
  const std::lock_guard lock(writing_);
  return write_file_atomically(
      path_, fmt::format("{{\"version\":1,\"hosts\":{},\"daily\":{},\"mta_sts\":{}}}\n",
                         hosts.to_json(now), quota.to_json(), policies.export_json(now)));
}

}  // namespace volley::delivery
