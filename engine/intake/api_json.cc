#include "engine/intake/api_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/time.h"

namespace volley::intake {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMessageDepth = 4;
constexpr int kBatchDepth = kMessageDepth + 1;

Error no_json(std::string_view wanted, std::string_view why) {
  return Error{Errc::kProtocol, fmt::format("{}: {}", wanted, why)};
}
Error no_message(std::string why) { return Error{Errc::kData, std::move(why)}; }

// What JSON itself leaves open: a key twice, and nesting without end.
class StrictKeys {
 public:
  explicit StrictKeys(int max_depth) : max_depth_(max_depth) {}
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > max_depth_) problem_ = "nested too deep";
    if (event == Json::parse_event_t::object_start) {
      keys_.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys_.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second)
        problem_ = "key \"" + sanitize(key, 100) + "\" stands twice";
    }
    return depth <= max_depth_;
  }
  const std::string& problem() const { return problem_; }

 private:
  const int max_depth_;
  std::vector<std::set<std::string>> keys_;
  std::string problem_;
};

// `wanted` begins what is said when it is something else.
Result<Json> parse_strictly(std::string_view body, int max_depth, std::string_view wanted) {
  StrictKeys strict(max_depth);
  Json json;
  try {
    json = Json::parse(body.begin(), body.end(),
                       [&](int depth, Json::parse_event_t event, Json& parsed) {
                         return strict(depth, event, parsed);
                       });
  } catch (const Json::exception& e) {
    const std::string_view what = e.what();
    const size_t at = what.find("] ");  // "[json.exception.parse_error.101] parse error at ..."
    return no_json(wanted,
                   sanitize(at == std::string_view::npos ? what : what.substr(at + 2), 200));
  }
  if (!strict.problem().empty()) return no_json(wanted, strict.problem());
  return json;
}

// RFC 3339, as the event log writes it: "2025-11-03T09:14:07.031Z".
std::string utc_text(int64_t ms) {
  const WallTime time = from_ms(ms);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), (time - seconds).count());
}

Status read_headers(const Json& value, message::SingleMessage& out) {
  if (!value.is_object()) return no_message("headers: must be an object of strings");
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string())
      return no_message("headers: \"" + sanitize(name, 100) + "\" must be a string");
    out.headers.emplace_back(name, text.get<std::string>());
  }
  return {};
}

Status read_field(const std::string& name, const Json& value, message::SingleMessage& out) {
  if (name == "headers") return read_headers(value, out);
  const bool part = name == "text" || name == "html";
  if (!part && name != "from" && name != "to" && name != "subject") {
    return no_message("unknown field \"" + sanitize(name, 100) +
                      "\"; there are from, to, subject, text, html, headers");
  }
  if (part && value.is_null()) return {};
  if (!value.is_string()) {
    return no_message(name + (name == "to" && value.is_array()
                                  ? ": must be a string (one recipient a message)"
                                  : ": must be a string"));
  }
  auto text = value.get<std::string>();
  if (name == "from")
    out.from = std::move(text);
  else if (name == "to")
    out.to = std::move(text);
  else if (name == "subject")
    out.subject = std::move(text);
  else if (name == "text")
    out.text = std::move(text);
  else
    out.html = std::move(text);
  return {};
}

Result<message::SingleMessage> message_of(const Json& json) {
  message::SingleMessage out;
  for (const auto& [name, value] : json.items()) {
    if (Status status = read_field(name, value, out); !status) return status.error();
  }
  for (const char* name : {"from", "to", "subject"}) {
    if (!json.contains(name)) return no_message(std::string(name) + ": missing");
  }
  if (!out.text && !out.html) return no_message("text or html: one of them must be there");
  return out;
}

BatchItem item_of(Json& json) {
  if (!json.is_object()) return {json.dump(), {}, no_message("not a JSON object")};
  std::string key;
  if (const auto found = json.find("key"); found != json.end()) {
    if (!found->is_string()) return {json.dump(), {}, no_message("key: must be a string")};
    key = found->get<std::string>();
    json.erase(found);
  }
  return {json.dump(), std::move(key), message_of(json)};
}

}  // namespace

Result<message::SingleMessage> parse_single(std::string_view body) {
  constexpr std::string_view kWanted = "the body is no JSON object";
  Result<Json> json = parse_strictly(body, kMessageDepth, kWanted);
  if (!json) return json.error();
  if (!json->is_object()) return no_json(kWanted, "something else");
  return message_of(*json);
}

Result<std::vector<BatchItem>> parse_batch(std::string_view body) {
  constexpr std::string_view kWanted = "the batch is no JSON array";
  Result<Json> json = parse_strictly(body, kBatchDepth, kWanted);
  if (!json) return json.error();
  if (!json->is_array()) return no_json(kWanted, "something else");
  if (json->empty()) return no_message("the batch is empty");
  if (json->size() > kMaxBatch) {
    return no_message(
        fmt::format("{} messages in a batch, {} are allowed", json->size(), kMaxBatch));
  }
  std::vector<BatchItem> out;
  out.reserve(json->size());
  for (Json& item : *json) out.push_back(item_of(item));
  return out;
}

std::string accepted_json(std::string_view id) { return Json{{"id", id}}.dump() + "\n"; }

std::string status_json(std::string_view id, const queue::SingleStatus& status) {
  Json json{{"id", id}, {"state", status.state}, {"attempts", status.attempts}};
  if (status.code != 0) json["code"] = status.code;
  if (!status.text.empty()) json["text"] = sanitize(status.text);
  json["time"] = utc_text(status.at_ms);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace volley::intake
