#include "api/openai/multipart.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lyceum::api {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=\"xx\"";
const std::string kBody =
    "--xx\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nadmin/whisper\r\n"
    "--xx\r\ncontent-disposition: form-data; filename=\"a \\\"b\\\"; name=c.wav\"; name=\"file\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--x\r\n\x01 more\r\n"
    "--xx\r\nContent-Disposition: form-data; name=\"timestamp_granularities[]\"\r\n\r\nsegment\r\n"
    "--xx--\r\n";

TEST(Multipart, ReadsFieldsAndFiles) {
  const FormData form = FormData::parse(kType, kBody);
  ASSERT_EQ(form.parts().size(), 3u);
  EXPECT_EQ(form.text("model"), "admin/whisper");
  ASSERT_NE(form.find("file"), nullptr);
  EXPECT_TRUE(form.find("file")->body.starts_with("RIFF\r\n--x\r\n"));
  EXPECT_EQ(form.texts("timestamp_granularities"), std::vector<std::string>{"segment"});
  EXPECT_EQ(form.text("language"), std::nullopt);
  EXPECT_EQ(form.find("c.wav"), nullptr);
}

TEST(Multipart, TakesPreambleAndNoParts) {
  EXPECT_EQ(FormData::parse(kType, "something\r\n" + kBody).parts().size(), 3u);
  EXPECT_TRUE(FormData::parse(kType, "--xx--").parts().empty());
}

TEST(Multipart, RefusesWhatIsCutAnywhere) {
  const size_t end = kBody.size() - 4;   // without "--\r\n" of the last boundary
  for (size_t size = 0; size <= end; ++size) EXPECT_THROW(FormData::parse(kType, kBody.substr(0, size)), Error) << size;
}

TEST(Multipart, RefusesOtherTypesAndTooMuch) {
  EXPECT_THROW(FormData::parse("application/json", kBody), Error);
  EXPECT_THROW(FormData::parse("multipart/form-data", kBody), Error);
  EXPECT_THROW(FormData::parse("multipart/form-data; boundary=", kBody), Error);
  EXPECT_THROW(FormData::parse("multipart/form-data; boundary=" + std::string(71, 'x'), kBody), Error);
  std::string many, part = "--xx\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
  for (int i = 0; i < 65; ++i) many += part;
  EXPECT_THROW(FormData::parse(kType, many + "--xx--"), Error);
  EXPECT_THROW(FormData::parse(kType, "--xx\r\nX: " + std::string(9000, 'x') + "\r\n\r\n\r\n--xx--"), Error);
  EXPECT_THROW(FormData::parse(kType, "--xx\r\nContent-Disposition: form-data\r\n\r\n\r\n--xx--"), Error);
}

}  // namespace
}  // namespace lyceum::api
