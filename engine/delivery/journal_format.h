// The journal's bytes: framing, checksums, records. Pure.
//
// Format     A segment is the magic "VLYJRNL1" and frames: length (u32, little endian), xxh64 of the payload (u64),
//            payload. The first frame is the header: version, run, the queue's identity. A payload is a type and
//            its fields as varints and length-prefixed strings.
// Errors     Reading never fails: a frame that is not whole ends the segment; one with a wrong checksum is skipped
//            and counted; what an unknown type says is skipped, so that an older Volley can read past it. A copied
//            frame is the same outcome: (run, sequence) names it.
// Thread     Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/delivery/work.h"

namespace volley::delivery {

enum class EntryType : uint8_t { kHeader = 1, kOutcome = 2, kSettled = 3, kLogged = 4 };

struct JournalEntry {
  EntryType type = EntryType::kHeader;
  uint64_t run = 0;        // kHeader: whose segment; kLogged: whose events
  std::string identity;    // kHeader
  Record record;           // kOutcome
  uint64_t sequence = 0;   // kOutcome: of its event; kLogged: events up to here
  uint32_t partition = 0;  // kSettled
  uint64_t lease = 0;      // kSettled
};

void put_journal_header(std::string& out, uint64_t run,
                        std::string_view identity);  // magic and header frame
void put_outcome(std::string& out, const Record& record, uint64_t sequence);
void put_settled(std::string& out, uint32_t partition, uint64_t lease);
void put_logged(std::string& out, uint64_t run, uint64_t sequence);

inline constexpr size_t kJournalMagicBytes = 8;

struct LeaseName {
  uint32_t partition = 0;
  uint64_t lease = 0;
  bool operator==(const LeaseName&) const = default;
};

// Frames as they lie there, one after the other, from wherever one begins.
class FrameReader {
 public:
  explicit FrameReader(std::string_view frames = {}) : rest_(frames) {}
  std::optional<std::string_view> next();  // head and payload; none: what is left is not whole
  size_t left() const { return rest_.size(); }
  uint64_t damaged() const { return damaged_; }

 private:
  std::string_view rest_;
  uint64_t damaged_ = 0;
};
std::optional<LeaseName> lease_of_outcome(std::string_view frame);  // none: it is no outcome

class JournalReader {
 public:
  explicit JournalReader(std::string_view segment);
  // The magic is there, or the file is too short to have one.
  bool recognised() const { return recognised_; }
  std::optional<JournalEntry> next();
  uint64_t damaged() const { return frames_.damaged(); }

 private:
  FrameReader frames_;
  bool recognised_ = false;
};

}  // namespace volley::delivery
