#include "queue/aof_tail.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <system_error>

#include "base/files.h"
#include "base/log.h"
#include "queue/keys.h"

namespace volley::queue {

namespace {

enum class Parsed { kWhole, kShort, kBad };

// The number in a line such as "*3\r\n" or "$5\r\n".
Parsed take_number(std::string_view& text, char mark, uint64_t& value) {
  if (text.empty()) return Parsed::kShort;
  if (text[0] != mark) return Parsed::kBad;
  const size_t end = text.find("\r\n");
  if (end == std::string_view::npos) return text.size() < 24 ? Parsed::kShort : Parsed::kBad;
  const auto [at, error] = std::from_chars(text.data() + 1, text.data() + end, value);
  if (error != std::errc() || at != text.data() + end) return Parsed::kBad;
  text.remove_prefix(end + 2);
  return Parsed::kWhole;
}

// One command off the front; `name` is its first word. A comment (#TS:...) is a command without a name.
Parsed take_command(std::string_view& text, std::string_view& name) {
  name = {};
  if (text[0] == '#') {
    const size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return Parsed::kShort;
    text.remove_prefix(end + 2);
    return Parsed::kWhole;
  }
  uint64_t words = 0;
  if (const Parsed p = take_number(text, '*', words); p != Parsed::kWhole) return p;
  if (words == 0) return Parsed::kBad;
  for (uint64_t i = 0; i < words; ++i) {
    uint64_t size = 0;
    if (const Parsed p = take_number(text, '$', size); p != Parsed::kWhole) return p;
    if (text.size() < 2 || text.size() - 2 < size) return Parsed::kShort;
    if (text.substr(size, 2) != "\r\n") return Parsed::kBad;
    if (i == 0) name = text.substr(0, size);
    text.remove_prefix(size + 2);
  }
  return Parsed::kWhole;
}

std::string last_file(std::string_view manifest) {
  std::string last;
  while (!manifest.empty()) {
    const size_t end = manifest.find('\n');
    const std::string_view line = manifest.substr(0, end);
    manifest.remove_prefix(end == std::string_view::npos ? manifest.size() : end + 1);
    constexpr std::string_view kFile = "file ";
    if (!line.starts_with(kFile) || line.find(" type i") == std::string_view::npos) continue;
    last = line.substr(kFile.size(), line.find(' ', kFile.size()) - kFile.size());
  }
  return last;
}

Error failure(const std::string& path, const char* what) {
  return {Errc::kIo, fmt::format("{}: {}: {}", path, what,
                                 std::error_code(errno, std::generic_category()).message())};
}

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Result<uint64_t> cut(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  if (file.fd < 0 && errno == ENOENT) return uint64_t{0};  // the server says what is wrong
  if (file.fd < 0) return failure(path, "open");
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return failure(path, "stat");
  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return uint64_t{0};
  void* const bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (bytes == MAP_FAILED) return failure(path, "map");
  ::madvise(bytes, size, MADV_SEQUENTIAL);
  const auto torn = torn_transaction({static_cast<const char*>(bytes), size});
  ::munmap(bytes, size);
  if (!torn) return uint64_t{0};
  if (::ftruncate(file.fd, static_cast<off_t>(*torn)) != 0) return failure(path, "cut");
  if (::fsync(file.fd) != 0) return failure(path, "sync");
  return uint64_t{size - *torn};
}

}  // namespace

std::optional<size_t> torn_transaction(std::string_view file) {
  std::optional<size_t> open;
  std::string_view left = file;
  while (!left.empty()) {
    const size_t begin = file.size() - left.size();
    std::string_view name;
    const Parsed parsed = take_command(left, name);
    if (parsed == Parsed::kBad) return std::nullopt;
    if (parsed == Parsed::kShort) break;
    if (name == "MULTI" && !open) open = begin;
    if (name == "EXEC") open.reset();
  }
  return open;
}

Result<uint64_t> cut_torn_transaction(const std::string& directory) {
  const std::string manifest_path = directory + "/appendonly.aof.manifest";
  if (::access(manifest_path.c_str(), F_OK) != 0) return uint64_t{0};
  auto manifest = read_file(manifest_path);
  if (!manifest) return manifest.error();
  const std::string name = last_file(*manifest);
  if (name.empty() || name.find('/') != std::string::npos) return uint64_t{0};
  return cut(directory + '/' + name);
}

bool wants_rewrite(const ServerFacts& facts) {
  return facts.aof && !facts.aof_rewriting &&
         (facts.aof_never_rewritten || facts.aof_rewrite_failed);
}

std::array<Command, 2> renewal_commands() {
  return {Command::function("volley1_whole", global_key()), Command("BGREWRITEAOF")};
}

std::string renewal_refused(std::string_view error) {
  if (error.find("in progress") != std::string_view::npos) return {};
  return "it does not rewrite its append-only file (" + sanitize(error, 200) +
         "): run BGREWRITEAOF after each of its restarts, before the next, or mail may be sent "
         "twice";
}

}  // namespace volley::queue
