// What a list is known by before it was read: for campaigns that are sent while their list is still being imported.
//
// Purpose  A SHA-256 of all bytes keeps the first message of a gigabyte waiting for a second. A sample is of the size and of pieces
//          spread over the file, its first and last bytes included; a list of up to 4 MiB it covers whole. It takes milliseconds,
//          and is written "sample:" and hex, so that a stored fingerprint says of which kind it is.
// Not seen A change between two pieces that leaves the size as it was. A sample is therefore replaced by the SHA-256 of all when
//          the import ends or is interrupted; it stays only where it was killed.
// Thread   Any; reads the file.
// Errors   kNoInput, naming the file.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace volley::intake {

class InputFile;

Result<std::string> sample_list(const std::string& path);
Result<std::string> sample_of(const InputFile& file);
Result<std::string> hash_list(const std::string& path);  // SHA-256 of all bytes, hex
bool is_sample(std::string_view fingerprint);
// Whether the file now there is the one that a stored fingerprint, of either kind, was made of.
Result<bool> is_list(const std::string& path, std::string_view fingerprint);

}  // namespace volley::intake
