#include "engine/message/campaign_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/files.h"
#include "engine/message/mime.h"

namespace volley::message {
namespace {

constexpr uint64_t kMaxBody = 10'000'000;

bool too_large(const std::string& path, uint64_t limit) {
  std::error_code none;
  const auto size = std::filesystem::file_size(path, none);
  return !none && size > limit;
}

Result<PartText> read_text(const std::string& path) {
  if (too_large(path, kMaxBody)) {
    return Error{Errc::kData, fmt::format("{}: larger than {} MB: no mail should be", path,
                                          kMaxBody / 1'000'000)};
  }
  auto bytes = read_file(path, kMaxBody);
  if (!bytes.ok()) return bytes.error();
  std::string_view text = *bytes;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  size_t bad = find_invalid_utf8(text);
  const size_t nul = text.find('\0');
  if (bad == std::string_view::npos && nul == std::string_view::npos) {
    return PartText{path, to_crlf(text)};
  }
  const bool is_nul = nul < bad;
  bad = std::min(bad, nul);
  const std::string_view before = text.substr(0, bad);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t newline = before.rfind('\n');
  const size_t column = bad - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  return Error{Errc::kData, fmt::format("{}:{}:{}: {}: save the file as UTF-8", path, line, column,
                                        is_nul ? "a NUL character" : "not UTF-8")};
}

Status read_files(const CampaignSpec& spec, const std::vector<FileRef>& list, uint64_t& room,
                  std::vector<Attachment>& into) {
  for (const FileRef& ref : list) {
    if (too_large(ref.path, room)) {
      return Error{Errc::kData,
                   fmt::format("{}: attachments and inline files are over {} MB together with {}: "
                               "link to large files instead",
                               spec.path, kMaxAttachmentBytes / 1'000'000, ref.path)};
    }
    auto bytes = read_file(ref.path, room);
    if (!bytes.ok()) return bytes.error();
    room -= bytes->size();
    into.push_back({ref.name, ref.type, ref.cid, std::move(*bytes)});
  }
  return {};
}

}  // namespace

Result<Content> load_content(const CampaignSpec& spec) {
  Content content;
  content.id = spec.identity();
  content.source = spec.path;
  content.from = spec.from;
  content.to = spec.to;
  content.subject = spec.subject;
  content.reply_to = spec.reply_to;
  content.return_path = spec.return_path;
  content.headers = spec.headers;
  content.list_unsubscribe = spec.list_unsubscribe;
  for (auto [path, into] :
       {std::pair(&spec.text_file, &content.text), std::pair(&spec.html_file, &content.html)}) {
    if (path->empty()) continue;
    auto text = read_text(*path);
    if (!text.ok()) return text.error();
    *into = std::move(*text);
  }
  for (const auto& [name, path] : spec.partials) {
    auto text = read_text(path);
    if (!text.ok()) return text.error();
    content.partials.emplace_back(name, std::move(*text));
  }
  uint64_t room = kMaxAttachmentBytes;
  Status read = read_files(spec, spec.attachments, room, content.attachments);
  if (read.ok()) read = read_files(spec, spec.inline_files, room, content.inline_parts);
  if (!read.ok()) return read.error();
  return content;
}

}  // namespace volley::message
