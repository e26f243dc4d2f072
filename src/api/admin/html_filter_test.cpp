#include "api/admin/html_filter.h"

#include <gtest/gtest.h>

namespace lyceum::api {
namespace {

std::string filter(std::string_view html) { return filter_html(html, {"/a/b/resolve/main/"}); }

TEST(HtmlFilter, KeepsPlainElements) { EXPECT_EQ(filter("<p>a <strong>b</strong></p>"), "<p>a <strong>b</strong></p>"); }
TEST(HtmlFilter, BalancesWhatIsOpen) { EXPECT_EQ(filter("<div><p>x"), "<div><p>x</p></div>"); }
TEST(HtmlFilter, DropsEndTagsWithoutStart) { EXPECT_EQ(filter("x</div></p>"), "x"); }
TEST(HtmlFilter, EscapesLooseBrackets) { EXPECT_EQ(filter("a < b & c"), "a &lt; b &amp; c"); }
TEST(HtmlFilter, KeepsReferencesInText) { EXPECT_EQ(filter("&nbsp;&lt;script&gt;"), "&nbsp;&lt;script&gt;"); }

TEST(HtmlFilter, DropsScriptsWithTheirText) { EXPECT_EQ(filter("a<script>alert(1)</script>b"), "ab"); }
TEST(HtmlFilter, DropsStylesFramesAndDrawings) {
  EXPECT_EQ(filter("<style>*{}</style><iframe src=x></iframe><svg><a href=x>y</a></svg>z"), "z");
}
TEST(HtmlFilter, DropsUnknownElementsButKeepsTheirText) { EXPECT_EQ(filter("<marquee>hi</marquee><form>x</form>"), "hix"); }
TEST(HtmlFilter, DropsEventHandlersAndStyles) {
  EXPECT_EQ(filter("<p onclick=alert(1) style='x' class=y id=z>t</p>"), "<p>t</p>");
}
TEST(HtmlFilter, DropsScriptLinks_regression) {
  for (const char* url : {"javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "&#106;avascript:alert(1)",
                          "&#x6A;avascript:x", "data:text/html,x", "vbscript:x", "//evil.example/x", "\\\\evil.example"}) {
    const std::string out = filter(std::string("<a href=\"") + url + "\">x</a>");
    EXPECT_TRUE(out == "<a rel=\"noopener noreferrer nofollow ugc\">x</a>" || out.find("href=\"/a/b/resolve/main/") != std::string::npos) << url << " -> " << out;
    EXPECT_EQ(out.find("script:"), std::string::npos) << out;
  }
}
TEST(HtmlFilter, EntityNamesCannotHideAScheme) {
  EXPECT_EQ(filter("<a href=\"javascript&colon;alert(1)\">x</a>"),
            "<a href=\"/a/b/resolve/main/javascript&amp;colon;alert(1)\" rel=\"noopener noreferrer nofollow ugc\">x</a>");
}
TEST(HtmlFilter, QuotesAttributes) { EXPECT_EQ(filter("<p title='a\"b<c'>x</p>"), "<p title=\"a&quot;b&lt;c\">x</p>"); }

TEST(HtmlFilter, RewritesRelativeLinksAndPictures) {
  EXPECT_EQ(filter("<img src=\"img/a.png\" alt=\"A\">"), "<img src=\"/a/b/resolve/main/img/a.png\" alt=\"A\" loading=\"lazy\">");
  EXPECT_EQ(filter("<a href=\"./x/../LICENSE\">l</a>"), "<a href=\"/a/b/resolve/main/LICENSE\" rel=\"noopener noreferrer nofollow ugc\">l</a>");
}
TEST(HtmlFilter, LinksCannotClimbOut) { EXPECT_EQ(filter("<a href=\"../../../api/x\">l</a>"), "<a rel=\"noopener noreferrer nofollow ugc\">l</a>"); }
TEST(HtmlFilter, BlocksPicturesOfOtherSites) {
  EXPECT_EQ(filter("<img src=\"https://tracker.example/x.png\" alt=\"logo\">"), "<span class=\"blocked-picture\">logo</span>");
  EXPECT_EQ(filter("<img src=\"//tracker.example/x.png\">").find("tracker"), std::string::npos);
}
TEST(HtmlFilter, SurvivesCutMarkup) {
  EXPECT_EQ(filter("<a href=\"x"), "&lt;a href=&quot;x");
  EXPECT_EQ(filter("<!-- never closed"), "");
  EXPECT_EQ(filter("<script>never closed"), "");
  EXPECT_EQ(filter("<"), "&lt;");
}
TEST(HtmlFilter, KeepsTaskBoxesOnly) {
  EXPECT_EQ(filter("<input type=\"checkbox\" checked=\"\" disabled=\"\" />"), "<input checked type=\"checkbox\" disabled>");
  EXPECT_EQ(filter("<input type=\"text\" name=\"password\">"), "");
}
TEST(HtmlFilter, LimitsDepth) {
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += "<div>";
  EXPECT_LT(filter(deep).size(), 128 * 11 + 1);
}

}  // namespace
}  // namespace lyceum::api
