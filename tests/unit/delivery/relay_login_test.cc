// The relay's secret follows its file, and survives it.
#include "engine/delivery/relay_login.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "tests/unit/temp_dir.h"

namespace volley::delivery {
namespace {

class RelayLoginTest : public ::testing::Test {
 protected:
  RelayLoginTest() { replace("first"); }

  // By another inode, as a refresher does it.
  void replace(const std::string& secret) {
    EXPECT_TRUE(write_file_atomically(file, secret + "\n").ok());
  }
  std::unique_ptr<RelayLogin> login(bool token = true) {
    auto first = std::make_shared<smtp::Credentials>();
    first->user = "me";
    first->secret = "first";
    first->is_token = token;
    first->host = "smtp.example.com";
    first->port = 587;
    return std::make_unique<RelayLogin>(std::move(first), file);
  }

  const TempDir directory;
  const std::string file = directory.file("token");
};

TEST_F(RelayLoginTest, AReplacedFileIsReadAgain) {
  const auto made = login();
  const auto before = made->current();
  EXPECT_EQ(before->secret, "first");
  EXPECT_EQ(made->current(), before) << "nothing has changed: nothing is read";
  replace("second");
  const auto after = made->current();
  EXPECT_EQ(after->secret, "second");
  EXPECT_EQ(before->secret, "first") << "a login under way keeps its own";
  EXPECT_EQ(after->user, "me");
  EXPECT_TRUE(after->is_token);
  EXPECT_EQ(after->host, "smtp.example.com");
  EXPECT_EQ(after->port, 587);
}

TEST_F(RelayLoginTest, AFileWrittenInPlaceIsReadAgain) {
  const auto made = login(false);
  ASSERT_EQ(made->current()->secret, "first");
  std::ofstream(file) << "a longer one\n";
  EXPECT_EQ(made->current()->secret, "a longer one");
}

TEST_F(RelayLoginTest, WhatChangedBeforeTheFirstLoginCounts) {
  const auto made = login();
  replace("second");
  EXPECT_EQ(made->current()->secret, "second");
}

TEST_F(RelayLoginTest, APipeIsNotReadAgain) {
  const auto made = login();
  ASSERT_EQ(made->current()->secret, "first");
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(made->current()->secret, "first") << "nobody writes there: reading would never end";
  std::filesystem::remove(file);
  replace("second");
  EXPECT_EQ(made->current()->secret, "second");
}

TEST_F(RelayLoginTest, TheOldOneStaysAndOneWarningIsGiven) {
  const auto made = login();
  ASSERT_EQ(made->current()->secret, "first");
  testing::internal::CaptureStderr();
  replace("");
  EXPECT_EQ(made->current()->secret, "first");
  replace("no token has blanks");
  EXPECT_EQ(made->current()->secret, "first");
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  EXPECT_EQ(made->current()->secret, "first");
  std::filesystem::remove(file);
  EXPECT_EQ(made->current()->secret, "first");
  EXPECT_EQ(made->current()->secret, "first");
  std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("[relay] keeps the secret it had: " + file), std::string::npos) << said;
  EXPECT_EQ(said.find("[relay]"), said.rfind("[relay]")) << said;
  EXPECT_EQ(said.find("blanks"), std::string::npos) << said;

  replace("third");
  EXPECT_EQ(made->current()->secret, "third");
  testing::internal::CaptureStderr();
  std::filesystem::remove(file);
  EXPECT_EQ(made->current()->secret, "third");
  said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("[relay] keeps"), std::string::npos) << "it was good in between: " << said;
}

}  // namespace
}  // namespace volley::delivery
