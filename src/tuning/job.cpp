#include "tuning/job.h"

#include <fcntl.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/threads.h"
#include "models/bitsandbytes.h"
#include "models/load.h"
#include "text/bpe_trainer.h"
#include "tuning/checkpoint.h"
#include "tuning/data/fim.h"
#include "tuning/data/prepare.h"
#include "tuning/evaluate/fim_order.h"
#include "tuning/memory_estimate.h"
#include "tuning/trainer.h"
#include "tuning/write/adapter_writer.h"
#include "tuning/write/lineage.h"
#include "tuning/write/model_writer.h"

namespace lyceum::tuning {

namespace {

constexpr size_t kCheckpointsKept = 2;
constexpr size_t kRateWindowSteps = 20;

void append_line(const fs::path& path, const json::object& record) {
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
  write_all(fd.get(), as_bytes(json::serialize(record) + "\n"), path);
}

LoraOptions lora_options(const Recipe& recipe) {
  LoraOptions options;
  options.r = recipe.lora_r;
  options.alpha = static_cast<float>(recipe.lora_alpha);
  options.dropout = static_cast<float>(recipe.lora_dropout);
  options.rslora = recipe.use_rslora;
  options.dora = recipe.use_dora;
  options.targets = recipe.target_modules;
  options.full_modules = recipe.modules_to_save;
  options.excluded = recipe.exclude_modules;
  options.layers = recipe.layers_to_transform;
  for (const auto& item : recipe.rank_pattern) options.rank_pattern.emplace_back(item.key(), item.value().to_number<double>());
  for (const auto& item : recipe.alpha_pattern) options.alpha_pattern.emplace_back(item.key(), item.value().to_number<double>());
  options.seed = recipe.seed;
  return options;
}

// The pretrain recipe's model with what only the run knows filled in.
json::object pretrain_config(const Recipe& recipe) {
  json::object config = recipe.model;
  config["vocab_size"] = recipe.vocab_size;
  config["eos_token_id"] = 0;
  if (!config.contains("max_position_embeddings")) config["max_position_embeddings"] = recipe.seq_len;
  return config;
}

// KTO's examples, likewise.
void add_examples(json::object& line, const PreferenceSums& sums, const std::string& prefix) {
  const auto good = static_cast<double>(std::max<size_t>(1, sums.desirable)), bad = static_cast<double>(std::max<size_t>(1, sums.pairs - sums.desirable));
  line[prefix + "examples"] = sums.pairs;
  line[prefix + "kl"] = sums.kl;
  line[prefix + "rewards/chosen"] = sums.chosen_reward / good;
  line[prefix + "rewards/rejected"] = sums.rejected_reward / bad;
  line[prefix + "rewards/margins"] = sums.chosen_reward / good - sums.rejected_reward / bad;
  line[prefix + "logps/chosen"] = sums.chosen_logp / good;
  line[prefix + "logps/rejected"] = sums.rejected_logp / bad;
}

// The pairs' means under the names that TRL logs them by; prefix "eval_" for those that are held out.
void add_preference(json::object& line, const PreferenceSums& sums, const std::string& prefix = "") {
  if (sums.pairs == 0) return;
  if (sums.examples) return add_examples(line, sums, prefix);
  const auto pairs = static_cast<double>(sums.pairs);
  line[prefix + "pairs"] = sums.pairs;
  line[prefix + "rewards/chosen"] = sums.chosen_reward / pairs;
  line[prefix + "rewards/rejected"] = sums.rejected_reward / pairs;
  line[prefix + "rewards/accuracies"] = sums.accuracy / pairs;
  line[prefix + "rewards/margins"] = (sums.chosen_reward - sums.rejected_reward) / pairs;
  line[prefix + "logps/chosen"] = sums.chosen_logp / pairs;
  line[prefix + "logps/rejected"] = sums.rejected_logp / pairs;
  if (sums.nll_tokens == 0) return;
  line[prefix + "nll_loss"] = sums.nll / static_cast<double>(sums.nll_tokens);
  line[prefix + "log_odds_ratio"] = sums.log_odds_ratio / pairs;
  line[prefix + "log_odds_chosen"] = sums.log_odds / pairs;
}

// What a checkpoint must agree on. Where the rate so far does not depend on the run's end, the end may be moved.
json::object inputs_of(const Recipe& recipe) {
  json::object inputs = recipe_to_json(recipe);
  const ScheduleKind kind = parse_schedule(recipe.lr_scheduler);
  const bool end_may_move = recipe.max_steps > 0 && recipe.warmup_ratio == 0 && (kind == ScheduleKind::stable_decay || kind == ScheduleKind::constant);
  for (const char* name : {"max_steps", "decay_steps", "num_epochs"}) {
    if (end_may_move) inputs.erase(name);
  }
  for (const char* name : {"save_steps", "base_model", "dataset"}) inputs.erase(name);   // named by their hashes
  return inputs;
}

// Tokens per second over the last steps.
class RateMeter {
 public:
  void add(size_t tokens) {
    marks_.push_back({monotonic_seconds(), tokens});
    if (marks_.size() > kRateWindowSteps + 1) marks_.pop_front();
  }
  double tokens_per_second() const {
    if (marks_.size() < 2) return 0;
    size_t tokens = 0;
    for (size_t i = 1; i < marks_.size(); ++i) tokens += marks_[i].tokens;
    return static_cast<double>(tokens) / std::max(1e-9, marks_.back().at - marks_.front().at);
  }
  double seconds_per_step() const {
    if (marks_.size() < 2) return 0;
    return (marks_.back().at - marks_.front().at) / static_cast<double>(marks_.size() - 1);
  }

 private:
  struct Mark {
    double at;
    size_t tokens;
  };
  std::deque<Mark> marks_;
};

class Job {
 public:
  Job(const fs::path& run_folder, const JobOptions& options, const std::function<void(const JobProgress&)>& on_progress)
      : folder_(run_folder), options_(options), on_progress_(on_progress), spec_(load_spec(run_folder)), recipe_(spec_.recipe), pool_(options.threads) {}

  JobResult run() {
    fs::remove(folder_ / "cancel");   // of an earlier stop
    prepare_data();
    prepare_model();
    prepare_stream();
    prepare_report();
    JobResult result;
    result.data_report = report_;
    if (options_.dry_run) return result;
    if (!train()) {
      result.cancelled = true;
      return result;
    }
    save_output();
    result.output = folder_ / "output";
    result.output_sha256 = facts_.output_sha256;
    result.lineage = lineage_record(spec_, facts_);
    write_file_durable(result.output / "lineage.json", pretty_json(result.lineage));
    tell("done", "finished: " + result.output.string());
    return result;
  }

 private:
  bool pretrain() const { return recipe_.method == "pretrain"; }
  bool pairs() const { return recipe_.objective != "sft"; }   // or examples
  bool examples() const { return recipe_.objective == "kto"; }
  PreferenceOptions preference_options() const {
    const PreferenceLoss loss = recipe_.objective == "orpo" ? PreferenceLoss::orpo : examples() ? PreferenceLoss::kto : PreferenceLoss::dpo;
    return {.loss = loss, .beta = recipe_.dpo_beta, .label_smoothing = recipe_.dpo_label_smoothing, .desirable_weight = recipe_.kto_desirable_weight, .undesirable_weight = recipe_.kto_undesirable_weight};
  }

  void tell(const std::string& phase, const std::string& message) {
    append_line(folder_ / "progress.jsonl", {{"phase", phase}, {"message", message}});
    JobProgress progress;
    progress.phase = phase;
    progress.message = message;
    progress.steps = steps_;
    progress.step = trainer_ ? trainer_->steps_done() : 0;
    on_progress_(progress);
  }

  void prepare_data() {
    tell("prepare", "reading the data");
    data_ = load_raw_data(recipe_, spec_.data_path);
    if (!pretrain()) {
      text_ = load_text_side(spec_.base_folder);
      return;
    }
    const fs::path saved = folder_ / "tokenizer.json";
    if (!fs::exists(saved)) {
      tell("tokenizer", "training the vocabulary");
      text::BpeTrainerOptions bpe;
      bpe.vocab_size = recipe_.vocab_size;
      for (const std::string_view special : kPretrainSpecials) bpe.special_tokens.emplace_back(special);
      const std::vector<std::string_view> documents(data_.documents.begin(), data_.documents.end());
      if (documents.empty()) throw Error(Code::unprocessable, "pretrain needs code or text, not chats");
      write_file_durable(saved, text::train_bpe(documents, bpe));
    }
    text_.tokenizer = text::load_tokenizer_json(read_file(saved));
  }

  void prepare_model() {
    tell("prepare", "loading the model");
    if (pretrain()) {
      const auto decoder = models::make_decoder(json::serialize(pretrain_config(recipe_)));
      model_ = make_random_model(*decoder, recipe_.seed);
    } else {
      auto decoder = models::load_decoder(spec_.base_folder);
      if (recipe_.load_in_4bit) decoder = models::with_nf4_linears(decoder, recipe_.bnb_4bit_use_double_quant, pool_);
      facts_.base_sha256 = weight_hashes(spec_.base_folder);
      model_ = recipe_.method == "lora" ? make_lora_model(decoder, lora_options(recipe_)) : make_full_model(*decoder);
      if (recipe_.method == "full" && pairs() && recipe_.objective != "orpo") reference_ = make_frozen_model(decoder);
    }
    prepare_optimizer_state(*model_, parse_optimizer(recipe_.optimizer));
    if (recipe_.seq_len > model_->config.context) {
      throw Error(Code::invalid_argument, "seq_len " + std::to_string(recipe_.seq_len) + " is over the model's context of " + std::to_string(model_->config.context));
    }
    facts_.trainable_parameters = model_->trainable();
  }

  void prepare_stream() {
    const int32_t eos = model_->config.eos_ids.empty() ? -1 : model_->config.eos_ids[0];
    source_ = make_source(recipe_, data_, text_, eos, counts_);
    pack_ = {.sequence_length = pairs() ? size_t{2} * recipe_.seq_len : recipe_.seq_len, .packing = recipe_.packing, .shuffle = recipe_.shuffle, .seed = recipe_.seed};
    std::string inputs = json::serialize(inputs_of(recipe_)) + data_.manifest_sha256;
    for (const auto& [file, hash] : facts_.base_sha256) inputs += file + hash;
    inputs_sha256_ = sha256_hex(inputs);
    if (recipe_.eval_steps > 0) {
      json::object unused;
      evaluation_source_ = make_source(recipe_, held_out_part(data_), text_, eos, unused);
    }

    state_.seed = recipe_.seed;
    state_.inputs_sha256 = inputs_sha256_;
    rows_in_first_epoch_ = RowStream(source_, pack_).rows_in_epoch();
    if (const auto checkpoint = find_checkpoint(folder_)) {
      state_ = load_checkpoint(*checkpoint, *model_, inputs_sha256_);
      tell("prepare", "going on after step " + std::to_string(state_.step));
    }
    rows_.emplace(source_, pack_, state_.cursor);
    const auto rows_per_step = static_cast<double>(recipe_.micro_batch_size * recipe_.gradient_accumulation_steps);
    steps_ = recipe_.max_steps;
    if (steps_ == 0) steps_ = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(recipe_.num_epochs * static_cast<double>(rows_in_first_epoch_) / rows_per_step - 1e-9)));
    trainer_ = std::make_unique<Trainer>(*model_, *rows_, pool_, train_options());
    trainer_->set_steps_done(state_.step);
  }

  TrainOptions train_options() const {
    TrainOptions options;
    options.schedule.kind = parse_schedule(recipe_.lr_scheduler);
    options.schedule.peak = recipe_.learning_rate;
    options.schedule.total_steps = steps_;
    options.schedule.decay_steps = recipe_.decay_steps;
    options.schedule.floor_ratio = recipe_.min_lr_ratio;
    options.schedule.warmup_steps = recipe_.warmup_steps;
    if (recipe_.warmup_steps == 0) options.schedule.warmup_steps = static_cast<uint64_t>(std::ceil(recipe_.warmup_ratio * static_cast<double>(steps_)));
    options.rows_per_batch = recipe_.micro_batch_size;
    options.accumulation = recipe_.gradient_accumulation_steps;
    options.weight_decay = recipe_.weight_decay;
    options.beta1 = recipe_.adam_beta1;
    options.beta2 = recipe_.adam_beta2;
    options.epsilon = recipe_.adam_epsilon;
    if (recipe_.loraplus_lr_ratio > 0) options.loraplus_ratio = recipe_.loraplus_lr_ratio;
    options.max_gradient_norm = recipe_.max_grad_norm;
    options.seed = recipe_.seed;
    options.optimizer = parse_optimizer(recipe_.optimizer);
    options.objective = examples() ? Objective::examples : pairs() ? Objective::preference : Objective::next_token;
    options.preference = preference_options();
    options.network = {.recompute = recipe_.gradient_checkpointing, .embedding_noise = recipe_.neftune_noise_alpha, .positions_max = recipe_.seq_len, .reference = reference_.get()};
    return options;
  }

  uint64_t base_bytes() const {
    uint64_t total = 0;
    for (const auto& [file, hash] : facts_.base_sha256) total += fs::file_size(spec_.base_folder / file);
    return total;
  }

  // Times one row forward and backward; the gradients it leaves are cleared by the first step.
  double measured_tokens_per_second() {
    Batch batch;
    append_row(batch, RowStream(source_, pack_).next());
    const auto run = [&] {
      if (examples()) {
        trainer_->network().reference_gap(every_second_segment(batch, 1));
        trainer_->network().examples_forward_backward(every_second_segment(batch, 0), preference_options(), 0, 0.0f, 0);
      } else if (pairs()) {
        trainer_->network().preference_forward_backward(batch, preference_options(), 0.0f, 0);
      } else {
        trainer_->network().forward_backward(batch, 0.0f, 0);
      }
    };
    run();
    const double started = monotonic_seconds();
    run();
    return static_cast<double>(batch.tokens()) / std::max(1e-9, monotonic_seconds() - started);
  }

  void prepare_report() {
    report_ = data_report(recipe_, data_, *source_, *text_.tokenizer);
    for (const auto& item : counts_) report_[item.key()] = item.value();
    const double rate = measured_tokens_per_second();
    const auto tokens = static_cast<double>(report_.at("tokens").to_number<uint64_t>());
    const auto rows = static_cast<double>(rows_in_first_epoch_);
    const double tokens_per_step = tokens / rows * recipe_.micro_batch_size * recipe_.gradient_accumulation_steps;
    report_["rows"] = rows_in_first_epoch_;
    report_["steps"] = steps_;
    report_["trainable_parameters"] = facts_.trainable_parameters;
    report_["tokens_per_step"] = std::round(tokens_per_step);
    report_["measured_tokens_per_second"] = std::round(rate);
    report_["memory"] = memory_json(estimate_memory(model_->config, recipe_, {base_bytes(), data_.bytes}));
    report_["estimated_seconds"] = std::round(static_cast<double>(steps_ - std::min(steps_, state_.step)) * tokens_per_step / rate);
    facts_.data_report = report_;
    write_file_durable(folder_ / "data_report.json", pretty_json(report_));
    tell("prepare", "data report written");
  }

  bool wants_stop() const { return (options_.cancel != nullptr && options_.cancel->load()) || fs::exists(folder_ / "cancel"); }

  void checkpoint() {
    state_.step = trainer_->steps_done();
    state_.cursor = rows_->cursor();
    save_checkpoint(folder_, *model_, state_);
    prune_checkpoints(folder_, kCheckpointsKept);
    last_checkpoint_ = monotonic_seconds();
  }

  // Mean loss over the labelled tokens (or pairs) of everything that is held out, without dropout; cut for fill-in-the-middle as in
  // epoch 0.
  double held_out_loss(PreferenceSums& sums) {
    PackOptions pack = pack_;
    pack.shuffle = false;
    if (examples()) return held_out_examples(pack, sums);
    RowStream rows(evaluation_source_, pack);
    double sum = 0;
    size_t labels = 0;
    for (size_t i = 0; i < rows.rows_in_epoch(); ++i) {
      Batch batch;
      append_row(batch, rows.next());
      labels += batch.labels();
      if (pairs()) {
        sums.add(trainer_->network().preference_loss(batch, preference_options()));
      } else {
        sum += trainer_->network().loss(batch);
      }
    }
    if (!pairs()) return sum / static_cast<double>(std::max<size_t>(1, labels));
    return sums.loss / static_cast<double>(sums.pairs) + sums.nll / static_cast<double>(std::max<size_t>(1, sums.nll_tokens));
  }

  // The KL term is that of all that is held out.
  double held_out_examples(const PackOptions& pack, PreferenceSums& sums) {
    RowStream rows(evaluation_source_, pack);
    std::vector<Batch> batches(rows.rows_in_epoch());
    double gap = 0, count = 0;
    for (Batch& batch : batches) {
      append_row(batch, rows.next());
      gap += trainer_->network().reference_gap(every_second_segment(batch, 1));
      count += static_cast<double>(batch.segments.size() / 2);
    }
    const double kl = std::max(0.0, gap / count);
    for (const Batch& batch : batches) sums.add(trainer_->network().examples_loss(every_second_segment(batch, 0), preference_options(), kl));
    sums.kl = kl;
    return sums.loss / count;
  }

  void evaluate() {
    const uint64_t step = trainer_->steps_done();
    PreferenceSums sums;
    // Ten decimals survive the checkpoint's JSON to the bit, so a resumed run takes the same measurement for the best.
    const double loss = std::round(held_out_loss(sums) * 1e10) / 1e10;
    const bool best = state_.best_step == 0 || loss < state_.best_loss;
    state_.evaluations.push_back(json::array{step, loss});
    state_.evaluations_since_best = best ? 0 : state_.evaluations_since_best + 1;
    if (best) {
      state_.best_step = step;
      state_.best_loss = loss;
    }
    if (best && recipe_.load_best_model_at_end) {
      state_.best_values.clear();
      for (const Parameter& parameter : model_->parameters) state_.best_values.push_back(parameter.value);
    }
    json::object line = {{"phase", "evaluate"}, {"step", step}, {"eval_loss", loss}, {"best", best}};
    add_preference(line, sums, "eval_");
    append_line(folder_ / "progress.jsonl", line);
    JobProgress progress;
    progress.phase = "evaluate";
    progress.message = "step " + std::to_string(step) + ": held-out loss " + std::to_string(loss) + (best ? " (the best)" : "");
    on_progress_(progress);
  }

  bool evaluation_due() const {
    const uint64_t step = trainer_->steps_done();
    return recipe_.eval_steps > 0 && (step % recipe_.eval_steps == 0 || step == steps_);
  }
  bool out_of_patience() const { return recipe_.early_stopping_patience > 0 && state_.evaluations_since_best >= recipe_.early_stopping_patience; }

  bool checkpoint_due() const {
    const uint64_t step = trainer_->steps_done();
    if (recipe_.save_steps > 0 && step % recipe_.save_steps == 0) return true;
    return options_.checkpoint_seconds > 0 && monotonic_seconds() - last_checkpoint_ > static_cast<double>(options_.checkpoint_seconds);
  }

  void record(const StepReport& step) {
    rate_.add(step.tokens);
    JobProgress progress;
    progress.phase = "train";
    progress.step = step.step;
    progress.steps = steps_;
    progress.loss = step.loss;
    progress.learning_rate = step.learning_rate;
    progress.gradient_norm = step.gradient_norm;
    progress.tokens_per_second = rate_.tokens_per_second();
    progress.seconds_left = rate_.seconds_per_step() * static_cast<double>(steps_ - step.step);
    json::object line = {{"phase", "train"}, {"step", step.step}, {"steps", steps_}, {"loss", step.loss}, {"learning_rate", step.learning_rate},
                         {"gradient_norm", step.gradient_norm}, {"tokens", step.tokens}, {"labelled_tokens", step.labels}};
    add_preference(line, step.preference);
    state_.history.push_back(line);
    line["tokens_per_second"] = std::round(progress.tokens_per_second);
    line["seconds_left"] = std::round(progress.seconds_left);
    append_line(folder_ / "progress.jsonl", line);
    on_progress_(progress);
  }

  // False when it was asked to stop.
  bool train() {
    const double started = monotonic_seconds();
    last_checkpoint_ = started;
    rate_.add(0);
    while (trainer_->steps_done() < steps_ && !out_of_patience()) {
      if (wants_stop()) {
        checkpoint();
        tell("cancelled", "stopped after step " + std::to_string(trainer_->steps_done()));
        return false;
      }
      record(trainer_->step());
      if (evaluation_due()) evaluate();
      if (checkpoint_due()) checkpoint();
    }
    if (out_of_patience()) tell("evaluate", "stopped early: no better held-out loss since step " + std::to_string(state_.best_step));
    facts_.seconds = monotonic_seconds() - started;
    facts_.evaluations = state_.evaluations;
    facts_.best_step = state_.best_step;
    facts_.best_loss = state_.best_loss;
    facts_.stopped_early = out_of_patience();
    keep_best();
    facts_.steps = trainer_->steps_done();
    facts_.threads = pool_.size();
    facts_.history = state_.history;
    for (const json::value& line : state_.history) facts_.tokens_seen += line.at("tokens").to_number<uint64_t>();
    return true;
  }

  void keep_best() {
    if (state_.best_values.empty()) return;
    for (size_t i = 0; i < model_->parameters.size(); ++i) model_->parameters[i].value = state_.best_values[i];
    tell("save", "the result is the model of step " + std::to_string(state_.best_step) + ", the best on what is held out");
  }

  // Of a model that was trained on code; an adapter is asked as its base is.
  json::object with_fim_order(json::object config) {
    if (data_.format != "code" || recipe_.fim_rate <= 0) return config;
    const bool held_out = !data_.files.held_out.empty();
    const auto orders = measure_fim_orders(trainer_->network(), *text_.tokenizer, held_out ? held_out_part(data_).documents : data_.documents, recipe_.seq_len,
                                           document_end_token(*text_.tokenizer, model_->config.eos_ids.empty() ? -1 : model_->config.eos_ids[0]), recipe_.seed);
    if (!orders) return config;
    facts_.fim = fim_orders_json(*orders);
    facts_.fim["measured_on"] = held_out ? "held-out files" : "files of the training";
    config["fim_order"] = engine::fim_order_name(orders->better());
    return config;
  }

  void save_output() {
    tell("save", "writing the result");
    const fs::path output = folder_ / "output";
    fs::remove_all(output);
    make_folders_durable(output);
    const bool bf16 = recipe_.save_dtype == "bf16";
    if (recipe_.method == "lora") {
      write_adapter(output, *model_, lora_options(recipe_), {spec_.base_repo, spec_.base_commit});
    } else {
      write_model_weights(output, *model_, bf16);
      if (pretrain()) {
        write_model_config(output, with_fim_order(pretrain_config(recipe_)), bf16);
        write_starter_text_files(output, read_file(folder_ / "tokenizer.json"), recipe_.chat_template, model_->config.context);
      } else {
        const json::value config = parse_json(read_file(spec_.base_folder / "config.json"), "config.json");
        write_model_config(output, with_fim_order(get_object(config, "config.json")), bf16);
        copy_text_files(spec_.base_folder, output);
      }
    }
    facts_.output_sha256 = weight_hashes(output);
    write_file_durable(output / "recipe.json", pretty_json(published_recipe(spec_)));
    write_file_durable(output / "README.md", model_card(spec_, facts_));
  }

  fs::path folder_;
  JobOptions options_;
  const std::function<void(const JobProgress&)>& on_progress_;
  JobSpec spec_;
  const Recipe& recipe_;
  ThreadPool pool_;

  RawData data_;
  TextSide text_;
  json::object counts_, report_;
  std::unique_ptr<TrainModel> model_, reference_;
  std::shared_ptr<const SampleSource> source_, evaluation_source_;
  PackOptions pack_;
  size_t rows_in_first_epoch_ = 0;
  std::optional<RowStream> rows_;
  std::unique_ptr<Trainer> trainer_;
  uint64_t steps_ = 0;
  std::string inputs_sha256_;
  CheckpointState state_;
  RunFacts facts_;
  RateMeter rate_;
  double last_checkpoint_ = 0;
};

}  // namespace

JobSpec load_spec(const fs::path& run_folder) {
  const json::value value = parse_json(read_file(run_folder / "spec.json"), (run_folder / "spec.json").string());
  const json::object& object = get_object(value, "spec.json");
  JobSpec spec;
  const json::object* recipe = find_object(object, "recipe");
  if (recipe == nullptr) throw Error(Code::invalid_argument, "spec.json has no recipe");
  spec.recipe = recipe_from_json(*recipe);
  spec.base_folder = find_string(object, "base_folder").value_or("");
  spec.base_repo = find_string(object, "base_repo").value_or("");
  spec.base_commit = find_string(object, "base_commit").value_or("");
  spec.data_path = get_string(object, "data_path");
  spec.data_repo = find_string(object, "data_repo").value_or("");
  spec.data_commit = find_string(object, "data_commit").value_or("");
  spec.data_label = find_string(object, "data_label").value_or("");
  spec.data_license = find_string(object, "data_license").value_or("");
  spec.program_version = find_string(object, "program_version").value_or("");
  return spec;
}

void save_spec(const fs::path& run_folder, const JobSpec& spec) {
  const json::object object = {{"recipe", recipe_to_json(spec.recipe)}, {"base_folder", spec.base_folder.string()}, {"base_repo", spec.base_repo},
                               {"base_commit", spec.base_commit}, {"data_path", spec.data_path.string()}, {"data_repo", spec.data_repo},
                               {"data_commit", spec.data_commit}, {"data_label", spec.data_label}, {"data_license", spec.data_license},
                               {"program_version", spec.program_version}};
  make_folders_durable(run_folder);
  write_file_durable(run_folder / "spec.json", pretty_json(object));
}

JobResult run_job(const fs::path& run_folder, const JobOptions& options, const std::function<void(const JobProgress&)>& on_progress) {
  return Job(run_folder, options, on_progress).run();
}

}  // namespace lyceum::tuning
