#include "engine/message/file_type.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace volley::message {

std::string type_by_suffix(std::string_view path) {
  struct Known {
    std::string_view suffix, type;
  };
  constexpr std::array kKnown = {
      Known{"pdf", "application/pdf"},
      Known{"png", "image/png"},
      Known{"jpg", "image/jpeg"},
      Known{"jpeg", "image/jpeg"},
      Known{"gif", "image/gif"},
      Known{"svg", "image/svg+xml"},
      Known{"webp", "image/webp"},
      Known{"txt", "text/plain"},
      Known{"csv", "text/csv"},
      Known{"html", "text/html"},
      Known{"ics", "text/calendar"},
      Known{"vcf", "text/vcard"},
      Known{"json", "application/json"},
      Known{"xml", "application/xml"},
      Known{"zip", "application/zip"},
      Known{"gz", "application/gzip"},
      Known{"mp3", "audio/mpeg"},
      Known{"mp4", "video/mp4"},
      Known{"doc", "application/msword"},
      Known{"xls", "application/vnd.ms-excel"},
      Known{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
      Known{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
      Known{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"}};
  const std::string_view file = path.substr(path.rfind('/') + 1);
  const size_t dot = file.rfind('.');
  if (dot != std::string_view::npos) {
    const std::string suffix = ascii_lower(file.substr(dot + 1));
    for (const Known& known : kKnown) {
      if (known.suffix == suffix) return std::string(known.type);
    }
  }
  return "application/octet-stream";
}

bool is_media_type(std::string_view text) {
  const bool printable =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7F; });
  if (!printable || text.size() > 200) return false;
  const std::string_view type = text.substr(0, text.find(';'));
  const size_t slash = type.find('/');
  auto token = [](std::string_view part) {
    return !part.empty() && part.find_first_of(" ()<>@,;:\\\"/[]?=") == std::string_view::npos;
  };
  return slash != std::string_view::npos && token(type.substr(0, slash)) &&
         token(type.substr(slash + 1));
}

}  // namespace volley::message
