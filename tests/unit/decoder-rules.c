/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of what the decoder decides without a device: which token is taken,
 * when it repeats itself, where segments begin and end, how bytes become text.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decoder/loop-guard.h"
#include "decoder/rules.h"
#include "decoder/segments.h"
#include "decoder/text.h"
#include "run-suite.h"

/* A small vocabulary whose ranges begin inside words of the bit set. */
#define TEXT_TOKENS 77
#define END TEXT_TOKENS
#define SPECIAL_TOKENS 6        /* END and others that are never allowed */
#define TIME (TEXT_TOKENS + SPECIAL_TOKENS)
#define TIMES 51
#define UNUSED_TOKENS 5         /* behind the timestamps */
#define VOCABULARY (TIME + TIMES + UNUSED_TOKENS)
#define MAX_INITIAL 10

static void
init_rules (NpuRules * rules, uint32_t max_initial)
{
  const NpuRulesConfig config = {
    VOCABULARY, END, TIME, TIMES, max_initial
  };

  ck_assert_int_eq (npu_rules_init (rules, &config, NULL), NPU_OK);
  for (int32_t token = END + 1; token < TIME; token++)
    npu_rules_forbid (rules, token);
}

static bool
is_allowed (const NpuRules * rules, int32_t token)
{
  return !(rules->suppressed[token / 32] >> token % 32 & 1);
}

static int
count_allowed (const NpuRules * rules, int32_t first, int32_t end)
{
  int count = 0;

  for (int32_t token = first; token < end; token++)
    count += is_allowed (rules, token);
  return count;
}

START_TEST (the_first_token_is_a_timestamp_within_the_initial_limit)
{
  NpuRules rules;

  init_rules (&rules, MAX_INITIAL);
  npu_rules_begin (&rules, 40);
  ck_assert_int_eq (count_allowed (&rules, 0, TIME), 0);
  ck_assert_int_eq (count_allowed (&rules, TIME, VOCABULARY),
      MAX_INITIAL + 1);
  ck_assert (is_allowed (&rules, TIME + MAX_INITIAL));
  npu_rules_begin (&rules, 4);
  ck_assert_int_eq (count_allowed (&rules, TIME, VOCABULARY), 5);
  npu_rules_clear (&rules);
}
END_TEST

START_TEST (without_an_initial_limit_any_time_of_the_window_may_be_first)
{
  NpuRules rules;

  init_rules (&rules, NPU_RULES_NO_LIMIT);
  npu_rules_begin (&rules, 40);
  ck_assert_int_eq (count_allowed (&rules, TIME, VOCABULARY), 41);
  npu_rules_begin (&rules, 5000);
  ck_assert_int_eq (count_allowed (&rules, TIME, VOCABULARY), TIMES);
  npu_rules_clear (&rules);
}
END_TEST

START_TEST (after_the_first_timestamp_text_or_the_end_follow)
{
  NpuRules rules;

  init_rules (&rules, MAX_INITIAL);
  npu_rules_begin (&rules, 40);
  npu_rules_accept (&rules, TIME + 2);
  ck_assert_int_eq (count_allowed (&rules, 0, TIME), TEXT_TOKENS + 1);
  ck_assert (is_allowed (&rules, END));
  ck_assert_int_eq (count_allowed (&rules, TIME, VOCABULARY), 0);
  npu_rules_clear (&rules);
}
END_TEST

START_TEST (an_end_lies_after_its_start_and_inside_the_window)
{
  NpuRules rules;

  init_rules (&rules, MAX_INITIAL);
  npu_rules_begin (&rules, 40);
  npu_rules_accept (&rules, TIME + 2);
  npu_rules_accept (&rules, 5);
  ck_assert (!is_allowed (&rules, TIME + 2));
  ck_assert (is_allowed (&rules, TIME + 3));
  ck_assert (is_allowed (&rules, TIME + 40));
  ck_assert (!is_allowed (&rules, TIME + 41));
  ck_assert (is_allowed (&rules, 5));
  ck_assert (is_allowed (&rules, END));
  npu_rules_clear (&rules);
}
END_TEST

START_TEST (after_an_end_a_start_or_the_end_of_text_follow)
{
  NpuRules rules;

  init_rules (&rules, MAX_INITIAL);
  npu_rules_begin (&rules, 40);
  npu_rules_accept (&rules, TIME + 2);
  npu_rules_accept (&rules, 5);
  npu_rules_accept (&rules, TIME + 8);
  ck_assert_int_eq (count_allowed (&rules, 0, TIME), 1);
  ck_assert (is_allowed (&rules, END));
  ck_assert (!is_allowed (&rules, TIME + 7));
  ck_assert (is_allowed (&rules, TIME + 8));
  npu_rules_accept (&rules, TIME + 9);
  ck_assert_int_eq (count_allowed (&rules, TIME, VOCABULARY), 0);
  ck_assert_int_eq (count_allowed (&rules, 0, TIME), TEXT_TOKENS + 1);
  npu_rules_clear (&rules);
}
END_TEST

START_TEST (forbidden_tokens_stay_forbidden_and_the_end_never_is)
{
  NpuRules rules;

  init_rules (&rules, MAX_INITIAL);
  npu_rules_forbid (&rules, 3);
  npu_rules_forbid (&rules, TIME + 7);
  npu_rules_forbid (&rules, END);
  npu_rules_forbid (&rules, -1);
  npu_rules_forbid (&rules, VOCABULARY);
  npu_rules_begin (&rules, 40);
  ck_assert (!is_allowed (&rules, TIME + 7));
  npu_rules_accept (&rules, TIME);
  ck_assert (!is_allowed (&rules, 3));
  ck_assert (is_allowed (&rules, 4));
  ck_assert (is_allowed (&rules, END));
  npu_rules_accept (&rules, 4);
  ck_assert (!is_allowed (&rules, TIME + 7));
  npu_rules_clear (&rules);
}
END_TEST

START_TEST (nothing_but_numbers_that_are_none_ends_the_text)
{
  NpuVocabularyResult result = { 0 };
  NpuRules rules;
  float log_probability;

  init_rules (&rules, MAX_INITIAL);
  npu_rules_begin (&rules, 40);
  result.text.best[0] = (NpuCandidate) { -1, 0 };
  result.timestamps.best[0] = (NpuCandidate) { TIME, NAN };
  ck_assert_int_eq (npu_rules_choose (&rules, &result, &log_probability),
      END);
  ck_assert (log_probability == -INFINITY);
  npu_rules_clear (&rules);
}
END_TEST

/* --------------------- against the filters of whisper/decoding.py */

static double
log_sum_exp (const double *logits, int first, int end)
{
  double high = -INFINITY, sum = 0;

  for (int i = first; i < end; i++)
    high = fmax (high, logits[i]);
  if (high == -INFINITY)
    return high;
  for (int i = first; i < end; i++)
    sum += exp (logits[i] - high);
  return high + log (sum);
}

static void
forbid_range (double *logits, int first, int end)
{
  for (int i = first; i < end; i++)
    logits[i] = -INFINITY;
}

static int
whisper_choice (double *logits, const int *tokens, int count, int limit,
    double *log_probability)
{
  bool last_was = count >= 1 && tokens[count - 1] >= TIME;
  bool penultimate_was = count < 2 || tokens[count - 2] >= TIME;
  int last_time = -1, best = 0;
  double text = -INFINITY;

  forbid_range (logits, END + 1, TIME);
  forbid_range (logits, TIME + limit + 1, VOCABULARY);
  if (last_was)
    forbid_range (logits, penultimate_was ? TIME : 0,
        penultimate_was ? VOCABULARY : END);
  for (int i = 0; i < count; i++)
    if (tokens[i] >= TIME)
      last_time = tokens[i];
  if (last_time >= 0)
    forbid_range (logits, TIME,
        last_was && !penultimate_was ? last_time : last_time + 1);
  if (count == 0) {
    forbid_range (logits, 0, TIME);
    forbid_range (logits, TIME + MAX_INITIAL + 1, VOCABULARY);
  }
  for (int i = 0; i < TIME; i++)
    text = fmax (text, logits[i]);
  if (log_sum_exp (logits, TIME, VOCABULARY) > text)
    forbid_range (logits, 0, TIME);
  for (int i = 0; i < VOCABULARY; i++)
    if (logits[i] > logits[best])
      best = i;
  *log_probability = logits[best] - log_sum_exp (logits, 0, VOCABULARY);
  return best;
}

/* What a device does. */
static NpuVocabularyRange
device_range (const NpuRules * rules, const double *logits, int first,
    int end)
{
  NpuVocabularyRange range;
  double allowed[VOCABULARY];

  range.best[0] = (NpuCandidate) { -1, -INFINITY };
  for (int i = first; i < end; i++) {
    allowed[i] = is_allowed (rules, i) ? logits[i] : -INFINITY;
    if (allowed[i] > range.best[0].logit)
      range.best[0] = (NpuCandidate) { i, (float) allowed[i] };
  }
  range.log_sum = (float) log_sum_exp (allowed, first, end);
  return range;
}

static void
compare_random_window (NpuRules * rules)
{
  int tokens[60], limit = rand () % TIMES;

  npu_rules_begin (rules, (uint32_t) limit);
  for (int count = 0; count < 60; count++) {
    double logits[VOCABULARY], log_probability;
    float chosen_log_probability;
    NpuVocabularyResult result;
    int expected;

    for (int i = 0; i < VOCABULARY; i++)
      logits[i] = (float) (rand () % 4096) / 512 + (i >= TIME) * 1.5f +
          (float) i / 65536;
    if (rand () % 20 == 0)
      logits[END] = 20;
    result.text = device_range (rules, logits, 0, TIME);
    result.timestamps = device_range (rules, logits, TIME, VOCABULARY);
    tokens[count] = npu_rules_choose (rules, &result,
        &chosen_log_probability);
    expected = whisper_choice (logits, tokens, count, limit,
        &log_probability);
    ck_assert_int_eq (tokens[count], expected);
    ck_assert (fabs (chosen_log_probability - log_probability) < 1e-4);
    if (tokens[count] == END)
      return;
    npu_rules_accept (rules, tokens[count]);
  }
}

START_TEST (random_windows_equal_the_filters_of_whisper)
{
  unsigned seed = (unsigned) time (NULL);
  NpuRules rules;

  printf ("seed %u\n", seed);
  srand (seed);
  init_rules (&rules, MAX_INITIAL);
  for (int i = 0; i < 500; i++)
    compare_random_window (&rules);
  npu_rules_clear (&rules);
}
END_TEST

/* ------------------------------------------------------------- loop guard */

/* Feeds @times times @period different tokens; returns the first answer. */
static uint32_t
repeat (NpuLoopGuard * guard, int period, int times, int *fed)
{
  for (*fed = 0; *fed < period * times;) {
    uint32_t surplus = npu_loop_guard_accept (guard, 100 + *fed % period);

    ++*fed;
    if (surplus)
      return surplus;
  }
  return 0;
}

START_TEST (a_loop_of_any_period_leaves_one_occurrence)
{
  for (int period = 1; period <= NPU_LOOP_MAX_PERIOD; period++) {
    NpuLoopGuard guard;
    uint32_t surplus;
    int fed;

    npu_loop_guard_begin (&guard);
    npu_loop_guard_accept (&guard, 1);
    surplus = repeat (&guard, period, 40, &fed);
    ck_assert_int_eq (fed - (int) surplus, period);
    ck_assert_int_ge (fed, NPU_LOOP_MIN_TOKENS);
    ck_assert_int_ge (fed, NPU_LOOP_MIN_TIMES * period);
    ck_assert_int_lt (fed, NPU_LOOP_MIN_TOKENS +
        NPU_LOOP_MIN_TIMES * period);
  }
}
END_TEST

START_TEST (a_line_said_three_times_is_no_loop)
{
  NpuLoopGuard guard;
  int fed;

  npu_loop_guard_begin (&guard);
  ck_assert_uint_eq (repeat (&guard, 8, 3, &fed), 0);
  npu_loop_guard_begin (&guard);
  ck_assert_uint_eq (repeat (&guard, 1, 15, &fed), 0);
  npu_loop_guard_begin (&guard);
  ck_assert_uint_eq (repeat (&guard, 33, 20, &fed), 0);
}
END_TEST

START_TEST (a_loop_with_times_that_go_on_is_not_for_this_guard)
{
  NpuLoopGuard guard;
  uint32_t surplus = 0;

  npu_loop_guard_begin (&guard);
  for (int i = 0; i < 50; i++) {
    surplus += npu_loop_guard_accept (&guard, TIME + 2 * i);
    surplus += npu_loop_guard_accept (&guard, 7);
    surplus += npu_loop_guard_accept (&guard, TIME + 2 * i + 1);
  }
  ck_assert_uint_eq (surplus, 0);
}
END_TEST

/* --------------------------------------------------------------- segments */

#define T(position) (TIME + (position))
#define MAX_COUNT 400

typedef struct
{
  NpuSegmentsInput input;
  NpuSegmentsOutput output;
  NpuTokenSegment segments[MAX_COUNT / 2 + 1];
} Slicing;

static void
slice_tokens (Slicing * slicing, const int32_t * tokens, uint32_t count)
{
  slicing->input.tokens = tokens;
  slicing->input.count = count;
  slicing->input.first_timestamp = TIME;
  slicing->input.fastest = NPU_SEGMENTS_TOKENS_A_SECOND;
  slicing->output.segments = slicing->segments;
  npu_segments_parse (&slicing->input, &slicing->output);
}

#define SLICE(slicing, ...) do { \
    static const int32_t tokens_[] = { __VA_ARGS__ }; \
    slice_tokens (slicing, tokens_, sizeof (tokens_) / sizeof (tokens_[0])); \
  } while (0)

static void
assert_segment (const Slicing * slicing, uint32_t index, uint32_t start,
    uint32_t end, uint32_t token_count)
{
  ck_assert_uint_lt (index, slicing->output.count);
  ck_assert_uint_eq (slicing->segments[index].start, start);
  ck_assert_uint_eq (slicing->segments[index].end, end);
  ck_assert_uint_eq (slicing->segments[index].token_count, token_count);
}

static void
assert_outcome (const Slicing * slicing, uint32_t count, uint32_t next)
{
  ck_assert_uint_eq (slicing->output.count, count);
  ck_assert_uint_eq (slicing->output.next, next);
}

START_TEST (a_last_end_alone_finishes_the_whole_window)
{
  Slicing slicing = { .input = { .valid = 1500, .full = true } };

  SLICE (&slicing, T (0), 1, 2, T (100), T (150), 3, T (300));
  assert_outcome (&slicing, 2, 1500);
  assert_segment (&slicing, 0, 0, 100, 2);
  assert_segment (&slicing, 1, 150, 300, 1);
}
END_TEST

START_TEST (text_without_an_end_after_an_end_is_left_to_the_next_window)
{
  Slicing slicing = { .input = { .valid = 1500, .full = true } };

  SLICE (&slicing, T (0), 1, T (100), T (150), 3, 4);
  assert_outcome (&slicing, 1, 100);
}
END_TEST

START_TEST (text_without_any_end_lasts_to_the_windows_end)
{
  Slicing slicing = { .input = { .valid = 1500, .full = true } };

  SLICE (&slicing, T (20), 1, 2, 3);
  assert_outcome (&slicing, 1, 1500);
  assert_segment (&slicing, 0, 20, 1500, 3);
}
END_TEST

START_TEST (the_next_window_starts_shortly_before_cut_text)
{
  Slicing slicing = { .input = { .valid = 500, .full = true } };

  SLICE (&slicing, T (0), 1, T (100), T (450));
  assert_outcome (&slicing, 1, 400);
  SLICE (&slicing, T (0), 1, T (100), T (120));
  assert_outcome (&slicing, 1, 100);
  SLICE (&slicing, T (300));
  assert_outcome (&slicing, 0, 285);
  SLICE (&slicing, T (40));
  assert_outcome (&slicing, 0, 25);
  SLICE (&slicing, T (26));
  assert_outcome (&slicing, 0, 13);
}
END_TEST

START_TEST (a_window_without_text_is_done_but_for_its_last_second)
{
  Slicing slicing = { .input = { .valid = 500, .full = true } };

  SLICE (&slicing, T (0));
  assert_outcome (&slicing, 0, 450);
  SLICE (&slicing, T (24));
  assert_outcome (&slicing, 0, 450);
  SLICE (&slicing, T (25));
  assert_outcome (&slicing, 0, 13);
  slicing.input.valid = 40;
  SLICE (&slicing, T (0));
  assert_outcome (&slicing, 0, 30);
  slicing.input.final = true;
  SLICE (&slicing, T (0));
  assert_outcome (&slicing, 0, 40);
}
END_TEST

START_TEST (a_model_that_leaves_cut_words_gets_the_last_second_again)
{
  Slicing slicing = {
    .input = { .valid = 500, .full = true, .leaves_cut_words = true }
  };

  SLICE (&slicing, T (0), 1, T (100));
  assert_outcome (&slicing, 1, 450);
  SLICE (&slicing, T (0), 1, T (480));
  assert_outcome (&slicing, 1, 480);
  slicing.input.final = true;
  SLICE (&slicing, T (0), 1, T (100));
  assert_outcome (&slicing, 1, 500);
}
END_TEST

START_TEST (what_comes_behind_a_long_silence_is_heard_in_another_window)
{
  Slicing slicing = {
    .input = { .valid = 500, .full = true, .short_silences = true }
  };

  SLICE (&slicing, T (0), 1, T (100), T (300), 2, T (400));
  assert_outcome (&slicing, 1, 100);
  assert_segment (&slicing, 0, 0, 100, 1);
  SLICE (&slicing, T (0), 1, T (100), T (300), 2);
  assert_outcome (&slicing, 1, 100);
  SLICE (&slicing, T (0), 1, T (100), T (300));
  assert_outcome (&slicing, 1, 100);
  SLICE (&slicing, T (0), 1, T (100));
  assert_outcome (&slicing, 1, 100);
  SLICE (&slicing, T (100), 1, T (480));
  assert_outcome (&slicing, 0, NPU_SEGMENTS_STEP);
  SLICE (&slicing, T (75), 1, T (430));
  assert_outcome (&slicing, 1, 500);
  slicing.input.final = true;
  SLICE (&slicing, T (0), 1, T (100));
  assert_outcome (&slicing, 1, 100);
  SLICE (&slicing, T (300));
  assert_outcome (&slicing, 0, NPU_SEGMENTS_STEP);
  slicing.input.valid = NPU_SEGMENTS_SILENCE;
  SLICE (&slicing, T (0));
  assert_outcome (&slicing, 0, NPU_SEGMENTS_SILENCE);
}
END_TEST

START_TEST (text_that_the_streams_end_cut_is_not_lost)
{
  Slicing slicing = {
    .input = { .valid = 500, .full = true, .final = true }
  };

  SLICE (&slicing, T (0), 1, T (400), T (420), 2);
  assert_outcome (&slicing, 1, 400);
  SLICE (&slicing, T (0), 1, T (497), T (498), 2);
  assert_outcome (&slicing, 2, 500);
  assert_segment (&slicing, 1, 498, 500, 1);
  SLICE (&slicing, T (0), 1, T (497), T (500), 2);
  assert_outcome (&slicing, 2, 500);
  assert_segment (&slicing, 1, 499, 500, 1);
}
END_TEST

START_TEST (a_growing_window_gives_out_what_cannot_change)
{
  Slicing slicing = { .input = { .valid = 200 } };

  SLICE (&slicing, T (0), 1, T (100), T (120), 2, T (175));
  assert_outcome (&slicing, 2, 175);
  SLICE (&slicing, T (0), 1, T (100), T (120), 2, T (176));
  assert_outcome (&slicing, 1, 100);
  SLICE (&slicing, T (0), 1, T (190), T (195));
  assert_outcome (&slicing, 1, 190);
  SLICE (&slicing, T (0), 1, T (190), T (195), 2);
  assert_outcome (&slicing, 1, 190);
  SLICE (&slicing, T (0), 1, 2);
  assert_outcome (&slicing, 0, 0);
  SLICE (&slicing, T (150));
  assert_outcome (&slicing, 0, 0);
}
END_TEST

START_TEST (eight_equal_segments_become_one)
{
  Slicing slicing = { .input = { .valid = 1500, .full = true } };
  int32_t tokens[MAX_COUNT];
  uint32_t count = 0;

  for (int i = 0; i < NPU_SEGMENTS_LOOP + 1; i++) {
    tokens[count++] = T (10 * i);
    tokens[count++] = 5;
    tokens[count++] = i == 0 ? 8 : 6;
    tokens[count++] = T (10 * i + 9);
  }
  slice_tokens (&slicing, tokens, count - 4);
  ck_assert_uint_eq (slicing.output.count, NPU_SEGMENTS_LOOP);
  ck_assert (!slicing.output.looped);
  slice_tokens (&slicing, tokens, count);
  ck_assert_uint_eq (slicing.output.count, 2);
  ck_assert (slicing.output.looped);
  assert_segment (&slicing, 1, 10, 19, 2);
}
END_TEST

START_TEST (text_that_nobody_says_so_fast_is_left_out_with_what_follows)
{
  Slicing slicing = { .input = { .valid = 1500, .full = true } };
  int32_t tokens[MAX_COUNT];
  uint32_t most = npu_segments_most (20, NPU_SEGMENTS_TOKENS_A_SECOND);

  for (uint32_t words = most; words <= most + 1; words++) {
    uint32_t count = 0;

    tokens[count++] = T (0);
    tokens[count++] = 1;
    tokens[count++] = T (10);
    tokens[count++] = T (12);
    for (uint32_t i = 0; i < words; i++)
      tokens[count++] = (int32_t) i % TEXT_TOKENS;
    tokens[count++] = T (32);
    tokens[count++] = T (33);
    tokens[count++] = 2;
    tokens[count++] = T (50);
    slice_tokens (&slicing, tokens, count);
    ck_assert_int_eq (slicing.output.doubtful, words > most);
    if (words > most)
      assert_outcome (&slicing, 1, 10);
    else
      assert_outcome (&slicing, 3, 1500);
  }
  slicing.input.full = false;
  slice_tokens (&slicing, tokens + 3, 5 + most);
  assert_outcome (&slicing, 0, 0);
}
END_TEST

START_TEST (text_without_an_end_is_left_out_where_it_looped)
{
  Slicing slicing = {
    .input = { .valid = 1500, .full = true, .looped = true }
  };

  SLICE (&slicing, T (0), 1, T (100), T (150), 3, 4);
  assert_outcome (&slicing, 1, 100);
  SLICE (&slicing, T (0), 1, 2);
  assert_outcome (&slicing, 0, 1500);
  ck_assert (slicing.output.doubtful);
  slicing.input.final = true;
  SLICE (&slicing, T (0), 1, T (1490), T (1499), 3);
  assert_outcome (&slicing, 1, 1490);
}
END_TEST

START_TEST (any_tokens_give_ordered_segments_and_progress)
{
  unsigned seed = (unsigned) time (NULL);

  printf ("seed %u\n", seed);
  srand (seed);
  for (int run = 0; run < 3000; run++) {
    Slicing slicing = { .input = {
        .valid = (uint32_t) (rand () % 200), .full = rand () % 2,
        .leaves_cut_words = rand () % 2,
        .short_silences = rand () % 2 } };
    int32_t tokens[40];
    uint32_t count = (uint32_t) (rand () % 40), end = 0;
    bool ordered = true;

    slicing.input.final = slicing.input.full && rand () % 2;
    slicing.input.looped = rand () % 4 == 0;
    for (uint32_t i = 0; i < count; i++)
      tokens[i] = rand () % 2 ? T (rand () % TIMES) : rand () % 3;
    slice_tokens (&slicing, tokens, count);
    for (uint32_t i = 0; i < slicing.output.count; i++) {
      ordered = ordered && slicing.segments[i].start >= end &&
          slicing.segments[i].end > slicing.segments[i].start &&
          slicing.segments[i].token_count > 0;
      end = slicing.segments[i].end;
    }
    ck_assert (ordered);
    ck_assert_uint_le (end, slicing.input.valid);
    ck_assert_uint_ge (slicing.output.next, end);
    ck_assert_uint_le (slicing.output.next, slicing.input.valid);
    if (slicing.input.full && slicing.input.valid > 0)
      ck_assert_uint_gt (slicing.output.next, 0);
  }
}
END_TEST

/* ------------------------------------------------------------------- text */

static void
assert_text (const char *bytes, const char *expected)
{
  char out[NPU_TEXT_MAX_GROWTH * 64 + 1];
  size_t size = npu_text_clean ((const uint8_t *) bytes, strlen (bytes), out);

  out[size] = '\0';
  ck_assert_str_eq (out, expected);
}

START_TEST (valid_text_is_only_trimmed)
{
  assert_text ("  turn left ", "turn left");
  assert_text (" \xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80", "\xc3\xa4\xe4\xb8\xad"
      "\xf0\x9f\x98\x80");
  assert_text ("", "");
  assert_text ("   ", "");
}
END_TEST

START_TEST (cut_characters_at_the_edges_are_dropped)
{
  assert_text ("\xb8\xad word", "word");
  assert_text ("word \xe4\xb8", "word");
  assert_text ("\xf0\x9f\x98", "");
}
END_TEST

START_TEST (bytes_that_are_no_character_are_replaced)
{
  assert_text ("a\xff" "b", "a\xef\xbf\xbd" "b");
  assert_text ("a\xe4\xb8" "b", "a\xef\xbf\xbd" "b");
  assert_text ("a\xed\xa0\x80" "b", "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
      "b");
  assert_text ("a\xc0\xaf" "b", "a\xef\xbf\xbd\xef\xbf\xbd" "b");
  assert_text ("a\xf4\x90\x80\x80" "b", "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
      "\xef\xbf\xbd" "b");
}
END_TEST

START_TEST (control_characters_become_spaces)
{
  assert_text ("\na\tb\x7f" "c\r\n", "a b c");
  assert_text ("a\xc2\x85" "b", "a b");
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("decoder-rules");
  TCase *tests = tcase_create ("decoder-rules");

  tcase_add_test (tests,
      the_first_token_is_a_timestamp_within_the_initial_limit);
  tcase_add_test (tests,
      without_an_initial_limit_any_time_of_the_window_may_be_first);
  tcase_add_test (tests, after_the_first_timestamp_text_or_the_end_follow);
  tcase_add_test (tests, an_end_lies_after_its_start_and_inside_the_window);
  tcase_add_test (tests, after_an_end_a_start_or_the_end_of_text_follow);
  tcase_add_test (tests, forbidden_tokens_stay_forbidden_and_the_end_never_is);
  tcase_add_test (tests, nothing_but_numbers_that_are_none_ends_the_text);
  tcase_add_test (tests, random_windows_equal_the_filters_of_whisper);
  tcase_add_test (tests, a_loop_of_any_period_leaves_one_occurrence);
  tcase_add_test (tests, a_line_said_three_times_is_no_loop);
  tcase_add_test (tests, a_loop_with_times_that_go_on_is_not_for_this_guard);
  tcase_add_test (tests, a_last_end_alone_finishes_the_whole_window);
  tcase_add_test (tests,
      text_without_an_end_after_an_end_is_left_to_the_next_window);
  tcase_add_test (tests, text_without_any_end_lasts_to_the_windows_end);
  tcase_add_test (tests, the_next_window_starts_shortly_before_cut_text);
  tcase_add_test (tests, a_window_without_text_is_done_but_for_its_last_second);
  tcase_add_test (tests,
      a_model_that_leaves_cut_words_gets_the_last_second_again);
  tcase_add_test (tests,
      what_comes_behind_a_long_silence_is_heard_in_another_window);
  tcase_add_test (tests, text_that_the_streams_end_cut_is_not_lost);
  tcase_add_test (tests, a_growing_window_gives_out_what_cannot_change);
  tcase_add_test (tests, eight_equal_segments_become_one);
  tcase_add_test (tests,
      text_that_nobody_says_so_fast_is_left_out_with_what_follows);
  tcase_add_test (tests, text_without_an_end_is_left_out_where_it_looped);
  tcase_add_test (tests, any_tokens_give_ordered_segments_and_progress);
  tcase_add_test (tests, valid_text_is_only_trimmed);
  tcase_add_test (tests, cut_characters_at_the_edges_are_dropped);
  tcase_add_test (tests, bytes_that_are_no_character_are_replaced);
  tcase_add_test (tests, control_characters_become_spaces);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
