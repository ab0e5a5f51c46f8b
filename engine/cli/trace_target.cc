#include "engine/cli/trace_target.h"

#include <algorithm>
#include <charconv>

#include "engine/message/renderer.h"
#include "queue/keys.h"

namespace volley::cli {
namespace {

bool is_single(std::string_view id) {
  uint64_t number = 0;
  uint32_t partition = 0;
  return queue::parse_single_message_id(id, number, partition);
}

bool is_revision(std::string_view text) {
  return text.size() == 8 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "november.17"; false when it has no number.
bool split_number(std::string_view text, std::string_view& left, uint64_t& number) {
  const size_t dot = text.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + dot + 1, end, number);
  left = text.substr(0, dot);
  return error == std::errc() && stop == end;
}

// Nothing: it does not look like one of ours.
std::optional<TraceTarget> from_message_id(std::string_view left, const std::vector<std::string>& campaigns) {
  const size_t dot = left.rfind('.');
  std::string_view tag;
  TraceTarget target;
  if (dot == std::string_view::npos || !is_revision(left.substr(dot + 1))) return std::nullopt;
  if (!split_number(left.substr(0, dot), tag, target.number)) return std::nullopt;
  if (is_single(tag)) {
    target.single = tag;
    return target;
  }
  const auto named = [&](const std::string& id) { return message::message_id_tag(id) == tag; };
  const auto campaign = std::find_if(campaigns.begin(), campaigns.end(), named);
  if (campaign == campaigns.end()) return std::nullopt;
  target.campaign = *campaign;
  return target;
}

}  // namespace

std::string TraceTarget::id() const {
  if (address) return {};
  return single.empty() ? campaign + '.' + std::to_string(number) : single;
}

Result<TraceTarget> parse_trace_target(const std::string& text, const std::vector<std::string>& campaigns) {
  std::string_view bare = text;
  const bool bracketed = bare.starts_with('<') && bare.ends_with('>');
  if (bracketed) bare = bare.substr(1, bare.size() - 2);
  const size_t at = bare.rfind('@');
  TraceTarget target;
  if (at != std::string_view::npos) {
    if (auto ours = from_message_id(bare.substr(0, at), campaigns)) {
      if (!ours->campaign.empty() && ours->number == 0) {
        return Error{Errc::kData, text + ": all recipients of campaign " + ours->campaign +
                                      " have this Message-ID: trace one by address"};
      }
      return std::move(*ours);
    }
    auto address = AddressMatch::make(std::string(bare));
    if (!address) return address.error();
    target.address = std::move(*address);
    return target;
  }
  std::string_view campaign;
  if (is_single(bare)) {
    target.single = bare;
  } else if (split_number(bare, campaign, target.number)) {
    target.campaign = campaign;
  } else {
    return Error{Errc::kUsage, text + ": neither an address, nor a message's id, nor a Message-ID"};
  }
  return target;
}

}  // namespace volley::cli
