// A certificate authority made on the spot, for tests: its own certificate, and those it issues.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/net/tls.h"

namespace volley::delivery {

struct TestCertificate {
  std::vector<std::string> names;  // subjectAltName; none: the extension is left out
  std::string common_name = "a server";
  long from_days = -1, to_days = 30;  // from now
};

class TestCa {
 public:
  TestCa();
  ~TestCa();
  const std::string& certificate_pem() const { return pem_; }
  net::TlsIdentity issue(const TestCertificate& wanted) const;

 private:
  struct Keys;
  std::unique_ptr<Keys> keys_;
  std::string pem_;
};

}  // namespace volley::delivery
