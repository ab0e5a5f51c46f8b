// The campaign file: what a user writes in TOML, checked and with its paths resolved.
//
// Purpose   load_campaign() reads and validates the file and looks that the files it names exist;
// it opens none of them
//           (campaign_content.h does). The recipients' list is not looked at: a command line may
//           name another.
// Paths     Relative ones hang on the campaign file's folder; what is stored here is ready to open.
// Errors    kData (65) for content and unknown keys, kNoInput (66) for missing files; always
// `file:line:column: ...`. Units     rate: messages per second. max_invalid: 0..1. Durations as
// base/units.h reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace volley::message {

inline constexpr uint32_t kUsualPriority = 10, kHighestPriority = 100;  // from 1
inline constexpr uint64_t kUsualStopAfter = 1000;
inline constexpr uint64_t kMaxAttachmentBytes = 50'000'000;  // all of a campaign's together

struct FileRef {
  std::string path;
  std::string name;  // default: the path's last component
  std::string type;  // default: by suffix, else application/octet-stream
  std::string cid;   // inline only; default: `name`
};

enum class ListEncoding : uint8_t { kUtf8, kWindows1252 };

struct CampaignSpec {
  std::string path;  // of the campaign file
  std::string name;
  std::string id;  // may be empty: see identity()
  std::string from, to, subject, reply_to, return_path;
  std::string text_file, html_file;  // at least one
  std::string recipients;            // may be empty
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<FileRef> attachments, inline_files;
  std::vector<std::pair<std::string, std::string>> partials;  // name, path
  std::vector<std::string> list_unsubscribe;
  std::vector<std::string> suppress;
  ListEncoding encoding = ListEncoding::kUtf8;
  double max_invalid = 0.05;
  std::optional<double> rate;
  std::optional<Duration> first_delay, max_delay, give_up_after;
  std::optional<bool> sign;
  std::optional<int64_t> start_ms, end_ms;  // Unix
  std::string window;                       // base/weekly_window.h
  std::optional<double> stop_bounced;       // 0..1, of stop_after outcomes at least
  uint64_t stop_after = kUsualStopAfter;
  uint64_t canary = 0;                 // recipients; 0: none
  uint32_t priority = kUsualPriority;  // weight among campaigns of the same domain

  const std::string& identity() const { return id.empty() ? name : id; }
};

Result<CampaignSpec> load_campaign(const std::string& path);

}  // namespace volley::message
