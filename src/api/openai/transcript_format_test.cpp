#include "api/openai/transcript_format.h"

#include <gtest/gtest.h>

namespace lyceum::api {
namespace {

engine::Transcript transcript() {
  engine::Transcript out{"de", 3723.5, {}};
  out.segments.push_back({0, 2.5, " Guten\n\nTag", {1, 2}, 0, 0, -0.5, 1.1, 0.01});
  out.segments.push_back({3720.04, 3723.456, " a --> b", {3}, 372000, 0.2f, -0.5, 1.1, 0.01});
  return out;
}

TEST(TranscriptFormat, WritesSubRip) {
  EXPECT_EQ(format_transcript(transcript(), TranscriptFormat::srt, "transcribe").body,
            "1\n00:00:00,000 --> 00:00:02,500\nGuten  Tag\n\n2\n01:02:00,040 --> 01:02:03,456\na -> b\n\n");
}

TEST(TranscriptFormat, WritesWebVtt) {
  const FormattedTranscript out = format_transcript(transcript(), TranscriptFormat::vtt, "transcribe");
  EXPECT_EQ(out.type, "text/vtt; charset=utf-8");
  EXPECT_TRUE(out.body.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nGuten  Tag\n\n"));
}

TEST(TranscriptFormat, WritesJson) {
  const json::value plain = json::parse(format_transcript(transcript(), TranscriptFormat::json, "transcribe").body);
  EXPECT_EQ(plain.at("text").as_string(), "Guten\n\nTag a --> b");
  EXPECT_EQ(plain.at("usage").at("seconds").as_int64(), 3724);
  const json::value verbose = json::parse(format_transcript(transcript(), TranscriptFormat::verbose_json, "translate").body);
  EXPECT_EQ(verbose.at("task").as_string(), "translate");
  EXPECT_EQ(verbose.at("language").as_string(), "german");
  EXPECT_EQ(verbose.at("segments").as_array().size(), 2u);
  EXPECT_EQ(verbose.at("segments").as_array()[1].at("id").as_int64(), 1);
}

TEST(TranscriptFormat, KnowsItsNames) {
  EXPECT_EQ(find_transcript_format("vtt"), TranscriptFormat::vtt);
  EXPECT_EQ(find_transcript_format("diarized_json"), std::nullopt);
}

}  // namespace
}  // namespace lyceum::api
