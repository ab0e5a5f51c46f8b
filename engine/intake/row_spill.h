// RowSpill: rows of many partitions in one temporary file, which nobody else sees, until each is read back.
//
// Purpose    An import of many small domains cannot group its rows in memory. What a partition has collected is appended as a
//            block; each partition's blocks come back in the order in which they were appended, once.
// Ownership  Owns the file: it has no name, so it is gone with this object, or with the process, however that ends.
// Thread     One.
// Errors     create(): kCantCreate. append(), read(): kIo, naming the directory, what is needed, and the remedy.
// Units      Bytes. The file grows to the size of all that is appended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace volley::intake {

class RowSpill {
 public:
  static constexpr uint64_t kKeepFree =
      uint64_t{64} << 20;  // of the file system: journal and queue may be there, too

  // Empty: $TMPDIR, or /tmp.
  static Result<std::unique_ptr<RowSpill>> create(const std::string& directory, uint32_t partitions,
                                                  uint64_t keep_free = kKeepFree);
  ~RowSpill();
  RowSpill(const RowSpill&) = delete;
  RowSpill& operator=(const RowSpill&) = delete;

  // `last`: number of the last row among them.
  Status append(uint32_t partition, std::string_view rows, uint64_t last);
  // Adds the partition's next blocks to `rows`, as long as that stays within `limit`, and at least as many as it takes to reach
  // row `reach` or to have one.
  Status read(uint32_t partition, size_t limit, uint64_t reach, std::string& rows);
  uint64_t left(uint32_t partition) const;       // bytes not yet read
  uint64_t last_read(uint32_t partition) const;  // `last` of the last block read
  uint64_t bytes() const { return size_; }

 private:
  struct Block {
    uint64_t offset = 0, last = 0;
    size_t size = 0;
  };
  struct Partition {
    std::vector<Block> blocks;
    size_t next = 0;
    uint64_t left = 0;
  };
  RowSpill(int fd, std::string directory, uint32_t partitions, uint64_t keep_free);
  bool has_room(uint64_t bytes) const;
  Error failed(int error, const char* what) const;

  const int fd_;
  const std::string directory_;
  const uint64_t keep_free_;
  std::vector<Partition> partitions_;
  uint64_t size_ = 0;
};

}  // namespace volley::intake
