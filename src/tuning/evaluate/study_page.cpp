#include "tuning/evaluate/study_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "base/html.h"
#include "tuning/evaluate/study_text.h"

namespace lyceum::tuning {

namespace {

struct Row {
  std::string arm, name;
  double value = 0, difference = 0, low = 0, high = 0;
  bool retrieval = false;
};

struct Metric {
  std::string key, title;
  bool lower_is_better = false;
  std::vector<Row> rows;
  const json::object* source = nullptr;
};

using Names = std::map<std::string, std::string>;

double number(const json::object& object, std::string_view key) { return find_number(object, key).value_or(0); }

void read_interval(const json::object& object, Row& row) {
  row.difference = number(object, "difference");
  const json::array& interval = object.at("interval_95").as_array();
  row.low = interval.at(0).to_number<double>();
  row.high = interval.at(1).to_number<double>();
}

Names arm_names(const json::object& study) {
  Names names;
  for (const json::value& arm : study.at("arms").as_array()) names[get_string(arm.as_object(), "key")] = get_string(arm.as_object(), "name");
  return names;
}

Metric read_metric(const json::object& source, const Names& names) {
  Metric metric{get_string(source, "key"), get_string(source, "title"), find_bool(source, "lower_is_better").value_or(false), {}, &source};
  for (const json::value& value : source.at("arms").as_array()) {
    const json::object& object = value.as_object();
    Row row{.arm = get_string(object, "arm"), .name = {}, .value = number(object, "value")};
    row.name = names.at(row.arm);
    row.retrieval = row.arm.ends_with("retrieval");
    read_interval(object, row);
    metric.rows.push_back(row);
  }
  return metric;
}

// A step of 1, 2 or 5 times a power of ten that cuts `span` into about `parts`.
double nice_step(double span, double parts) {
  const double raw = span / parts;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return factor * power;
  }
  return 10 * power;
}

// Where a difference lies in the picture.
class Scale {
 public:
  Scale(const std::vector<Row>& rows, double left, double right) : left_(left), right_(right) {
    for (const Row& row : rows) {
      low_ = std::min({low_, row.low, row.difference});
      high_ = std::max({high_, row.high, row.difference});
    }
    if (high_ - low_ < 1e-9) low_ = -0.01, high_ = 0.01;
    step_ = nice_step(high_ - low_, 4);
    low_ = std::floor(low_ / step_) * step_;
    high_ = std::ceil(high_ / step_) * step_;
  }
  double at(double value) const noexcept { return left_ + (value - low_) / (high_ - low_) * (right_ - left_); }
  std::vector<double> ticks() const {
    std::vector<double> out;
    for (double tick = low_; tick < high_ + step_ / 2; tick += step_) out.push_back(std::abs(tick) < step_ / 1e6 ? 0.0 : tick);
    return out;
  }

 private:
  double left_, right_, low_ = 0, high_ = 0, step_ = 1;
};

std::string kind_of(const Row& row) { return row.arm.substr(0, row.arm.find('_')); }

std::string mark(const Row& row, double x, double y) {
  if (!row.retrieval) return fmt::format("<circle class=\"mark\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5.5\"/>", x, y);
  return fmt::format("<path class=\"mark\" d=\"M{:.1f} {:.1f}l7 7-7 7-7-7z\"/>", x, y - 7);
}

constexpr double kLeft = 208, kRight = 520, kRowHeight = 30, kTop = 30;

std::string picture_row(const Row& row, const Scale& scale, double y) {
  std::string out = fmt::format("<g class=\"{}\"><text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kind_of(row), kLeft - 16, y + 4.5, escape_html(row.name));
  if (row.low != row.high) {
    out += fmt::format("<path class=\"span\" d=\"M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v10M{1:.1f} {3:.1f}v10\"/>", scale.at(row.low), scale.at(row.high), y, y - 5);
  }
  return out + mark(row, scale.at(row.difference), y) + fmt::format("<text x=\"{}\" y=\"{:.1f}\" class=\"value\">{:.3f}</text></g>", kRight + 24, y + 4.5, row.value);
}

std::string picture(const Metric& metric, std::string_view described_by) {
  const Scale scale(metric.rows, kLeft, kRight);
  const double bottom = kTop + kRowHeight * static_cast<double>(metric.rows.size());
  std::string out = fmt::format("<svg viewBox=\"0 0 600 {:.0f}\" role=\"img\" aria-label=\"{}: difference to base of each arm with its 95 % interval; the figures are in the table below\" aria-describedby=\"{}\">",
                                bottom + 26, escape_html(metric.title), described_by);
  out += fmt::format("<text x=\"{}\" y=\"14\" class=\"small\" text-anchor=\"{}\">{}</text>", metric.lower_is_better ? kLeft : kRight, metric.lower_is_better ? "start" : "end",
                     metric.lower_is_better ? "← better" : "better →");
  out += fmt::format("<text x=\"{}\" y=\"14\" class=\"small\">value</text>", kRight + 24);
  for (const double tick : scale.ticks()) {
    out += fmt::format("<path class=\"{}\" d=\"M{:.1f} {}V{:.1f}\"/>", tick == 0 ? "zero" : "grid", scale.at(tick), kTop - 8, bottom);
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"small\" text-anchor=\"middle\">{}</text>", scale.at(tick), bottom + 17, tick == 0 ? "0" : fmt::format("{:+.3g}", tick));
  }
  double y = kTop + kRowHeight / 2;
  for (const Row& row : metric.rows) out += picture_row(row, scale, y), y += kRowHeight;
  return out + "</svg>";
}

std::string figures_table(const Metric& metric, const Names& names, std::string_view id) {
  std::string out = fmt::format("<table id=\"{}\"><thead><tr><th scope=\"col\">arm</th><th scope=\"col\">value</th><th scope=\"col\">difference to base</th><th scope=\"col\">95 % interval</th>"
                                "<th scope=\"col\">in words</th></tr></thead><tbody>", id);
  for (const Row& row : metric.rows) {
    const bool base = row.arm == "base";
    out += fmt::format("<tr><th scope=\"row\">{}</th><td>{:.4f}</td><td>{}</td><td class=\"keep\">{}</td><td>{}</td></tr>", escape_html(row.name), row.value, base ? "–" : fmt::format("{:+.4f}", row.difference),
                       base ? "–" : fmt::format("{:+.4f} … {:+.4f}", row.low, row.high), base ? "–" : verdict_word(row.low, row.high, metric.lower_is_better));
  }
  for (const json::value& value : metric.source->at("contrasts").as_array()) {
    const json::object& object = value.as_object();
    Row row;
    read_interval(object, row);
    out += fmt::format("<tr><th scope=\"row\">{} against {}</th><td></td><td>{:+.4f}</td><td class=\"keep\">{:+.4f} … {:+.4f}</td><td>{}</td></tr>", escape_html(names.at(get_string(object, "to"))),
                       escape_html(names.at(get_string(object, "from"))), row.difference, row.low, row.high, verdict_word(row.low, row.high, metric.lower_is_better));
  }
  return out + "</tbody></table>";
}

std::string metric_section(const Metric& metric, const Names& names) {
  const std::string id = "figures-" + metric.key;
  const bool same = std::all_of(metric.rows.begin(), metric.rows.end(), [](const Row& row) { return row.difference == 0 && row.low == row.high; });
  const std::string drawn = same ? fmt::format("<p>All arms are at {:.3f}: this measure tells them not apart.</p>", metric.rows.at(0).value)
                                 : fmt::format("<div class=\"scroll\" role=\"region\" aria-label=\"{}: picture\" tabindex=\"0\">{}</div>", escape_html(metric.title), picture(metric, id));
  return fmt::format("<section class=\"card\" aria-labelledby=\"h-{0}\"><h3 id=\"h-{0}\">{1}</h3><p class=\"note\">{2}; {3} items in {4} files</p>{5}"
                     "<details><summary>The figures<span class=\"hidden\"> of {1}</span></summary><div class=\"scroll\" role=\"region\" aria-label=\"{1}: figures\" tabindex=\"0\">{6}</div></details></section>",
                     metric.key, escape_html(metric.title), metric.lower_is_better ? "lower is better" : "higher is better", get_int(*metric.source, "items"), get_int(*metric.source, "files"),
                     drawn, figures_table(metric, names, id));
}

std::string short_list(const json::object& study) {
  std::string out = "<ul class=\"short\">";
  for (const Finding& finding : study_findings(study)) {
    out += fmt::format("<li><strong class=\"{}\">{}</strong><span>{}</span></li>", finding.verdict == "better" ? "good" : finding.verdict == "worse" ? "bad" : "open", finding.verdict, escape_html(finding.text));
  }
  return out + "</ul>";
}

// Nested objects as rows "a › b".
void provenance_rows(const json::object& object, const std::string& prefix, std::string& out) {
  for (const auto& item : object) {
    const std::string key = prefix + std::string(item.key());
    if (item.value().is_object()) {
      provenance_rows(item.value().as_object(), key + " › ", out);
    } else if (!item.value().is_null()) {
      const std::string text = item.value().is_string() ? std::string(item.value().as_string()) : item.value().is_double() ? fmt::format("{:.6g}", item.value().as_double()) : json::serialize(item.value());
      out += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape_html(key), escape_html(text));
    }
  }
}

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--ground:#fbfbfa;--card:#fff;--ink:#1c1e21;--soft:#5a6068;--line:#d9dce0;--base:#5a6068;--placebo:#a8500a;--adapter:#0b5cad;--good:#12693a;--bad:#a6261d}
@media (prefers-color-scheme:dark){:root{--ground:#14161a;--card:#1c1f25;--ink:#e8eaed;--soft:#a7aeb8;--line:#363b44;--base:#a7aeb8;--placebo:#f0a050;--adapter:#6db3ff;--good:#6fce96;--bad:#ff9a90}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:78rem;margin:0 auto;padding:1.5rem clamp(1rem,4vw,2.5rem) 4rem}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem}
h1{font-size:1.9rem;line-height:1.2;margin:1rem 0 .3rem}h2{margin:2.4rem 0 .6rem;font-size:1.3rem}h3{margin:0;font-size:1.05rem}
.lead,.note{color:var(--soft);margin:.2rem 0 .6rem}.lead{max-width:60rem}.note{font-size:.88rem}
.cards{display:grid;align-items:start;grid-template-columns:repeat(auto-fit,minmax(min(100%,33rem),1fr));gap:1rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.1rem;min-width:0}
.scroll{overflow-x:auto}svg{display:block;width:100%;min-width:30rem;height:auto;font:13px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .small{fill:var(--soft);font-size:12px}svg .value{font-variant-numeric:tabular-nums}
.grid,.zero,.span{fill:none;stroke:var(--line)}.zero{stroke:var(--soft);stroke-width:1.5}.span{stroke-width:2.2}
.base .mark{fill:var(--base)}.placebo .mark{fill:var(--placebo)}.adapter .mark{fill:var(--adapter)}
.base .span{stroke:var(--base)}.placebo .span{stroke:var(--placebo)}.adapter .span{stroke:var(--adapter)}
.short{list-style:none;padding:0;margin:0}.short li{padding:.55rem 0;border-top:1px solid var(--line)}.short li:first-child{border:0}
.short li{display:grid;grid-template-columns:minmax(0,12rem) minmax(0,1fr);gap:.2rem 1rem}@media (max-width:40rem){.short li{grid-template-columns:1fr}}.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.32rem .7rem .32rem 0;border-bottom:1px solid var(--line);vertical-align:top}
.keep{white-space:nowrap}tbody th{font-weight:500}.facts td{overflow-wrap:anywhere}summary{cursor:pointer;padding:.4rem 0;color:var(--adapter)}
:focus-visible{outline:3px solid var(--adapter);outline-offset:2px;border-radius:.2rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media print{details::details-content{display:block}}
)css";

constexpr std::string_view kMethod = R"html(
<p>Every arm answers the same questions through the same engine, greedily, with the same part of the file before and after the cursor. Arms with retrieval see, besides, what BM25 finds for the
lines around the cursor in the code the adapter learned. Only lines that are new against that code count: a line is known when three lines in a row that include it stand in a learned file, so code that was
merely moved, re-indented or copied is left out.</p>
<p>The placebo is an adapter of the same recipe and the same number of steps that learned another code base: what it gains is what any practice on similar code gains. An adapter is only worth its name
where it beats the placebo, and only worth its trouble where it beats retrieval.</p>
<p>Intervals are 95 % percentile intervals of a paired bootstrap that draws whole files, because lines of one file resemble each other. They are not corrected for the number of comparisons: of twenty
intervals about one misses by chance. They hold for this code base and this training run, not for others: one seed was trained. Whether answers run and pass tests was not measured.</p>
)html";

}  // namespace

std::string study_page(const json::object& study) {
  const Names names = arm_names(study);
  std::string cards;
  for (const json::value& metric : study.at("metrics").as_array()) cards += metric_section(read_metric(metric.as_object(), names), names);
  std::string facts;
  for (const char* key : {"measured_on", "learned", "base", "adapter", "placebo", "generic", "options", "environment"}) {
    if (const json::object* part = find_object(study, key)) provenance_rows(*part, std::string(key) + " › ", facts);
  }
  const std::string title = escape_html(find_string(study, "title").value_or("Did tuning help?"));
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>" + title + "</title><style>" + std::string(kStyle) +
         "</style></head><body><a class=\"skip\" href=\"#short\">To the findings</a><main><h1>" + title + "</h1><p class=\"lead\">" + escape_html(study_lead(study)) + "</p>"
         "<h2 id=\"short\">In short</h2>" + short_list(study) +
         "<h2>Measure by measure</h2><p class=\"note\">Each mark is the difference to the base model, the bar its 95 % interval; a bar that crosses the line at zero shows no clear difference. "
         "Circles are without retrieval, diamonds with it.</p><div class=\"cards\">" + cards + "</div><h2>How it was measured</h2>" + std::string(kMethod) +
         "<h2>Where it comes from</h2><div class=\"scroll\" role=\"region\" aria-label=\"Provenance\" tabindex=\"0\"><table class=\"facts\"><tbody>" + facts + "</tbody></table></div></main></body></html>\n";
}

}  // namespace lyceum::tuning
