/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Long-form decoding as a whole, without a model: windows, slicing and the
 * answer that moves the next window, around a transcriber that hears perfectly
 * and writes as models are taught to, or hears nothing behind a long silence.
 * Nothing may be lost, nothing repeated.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "decoder/segments.h"
#include "pipeline/windows.h"
#include "run-suite.h"

/* Positions of 20 ms. */
#define WINDOW 500
#define PAUSE 20                /* what ends a segment */
#define EARLY 25                /* a segment that starts before this fills its
                                 * window if it is cut */
#define SHORTEST_WORD 6
#define LONGEST_WORD 45
/* By how much the start of cut text may be written wrong. */
#define ERROR_OF_TIME 8

#define MAX_WORDS 4000
#define MAX_TOKENS 1000
#define TIME 100000             /* first timestamp; words are 0, 1, 2... */

typedef struct
{
  uint32_t start;
  uint32_t end;
} Word;

typedef struct
{
  Word words[MAX_WORDS];
  uint32_t count;
  uint32_t length;
} Speech;

/* What is written of one window. */
typedef struct
{
  int32_t tokens[MAX_TOKENS];
  uint32_t count;
} Writing;

/* Phrases of words with short gaps, between pauses; @talkative phrases are
 * longer than a window. */
static void
speak (Speech * speech, bool talkative)
{
  uint32_t now = (uint32_t) (rand () % 300);

  speech->count = 0;
  for (int phrase = 0; phrase < 30; phrase++) {
    int words = 1 + rand () % (talkative ? 60 : 8);

    while (words-- > 0 && speech->count < MAX_WORDS) {
      Word *word = &speech->words[speech->count++];

      word->start = now;
      word->end = now + SHORTEST_WORD +
          (uint32_t) (rand () % (LONGEST_WORD - SHORTEST_WORD));
      now = word->end + (uint32_t) (rand () % (PAUSE / 2));
    }
    now += PAUSE + (uint32_t) (rand () % 3 ? rand () % 60 : rand () % 900);
  }
  speech->length = now;
}

/* The phrase of word @first ends before the word that is returned. */
static uint32_t
phrase_end (const Speech * speech, uint32_t first)
{
  uint32_t end = first + 1;

  while (end < speech->count && speech->words[end].start <
      speech->words[end - 1].end + PAUSE)
    end++;
  return end;
}

static void
write_words (Writing * writing, const Speech * speech, uint32_t first,
    uint32_t end, uint32_t from)
{
  writing->tokens[writing->count++] =
      (int32_t) (TIME + speech->words[first].start - from);
  for (uint32_t i = first; i < end; i++)
    writing->tokens[writing->count++] = (int32_t) i;
  writing->tokens[writing->count++] =
      (int32_t) (TIME + speech->words[end - 1].end - from);
}

/* As models/training/windows.py teaches: words that begin before the window are
 * not written; of a phrase that the end cuts only the start, not exactly,
 * unless it began early, then its whole words. A model that is @deaf behind a
 * silence that it was not trained with writes nothing more in this window. */
static void
transcribe (Writing * writing, const Speech * speech, uint32_t from,
    uint32_t to, bool deaf)
{
  uint32_t heard = from, end;

  writing->count = 0;
  for (uint32_t first = 0; first < speech->count; first = end) {
    uint32_t whole, start;

    end = phrase_end (speech, first);
    while (first < end && speech->words[first].start < from)
      first++;
    if (first == end || speech->words[first].start + 3 > to)
      continue;
    if (deaf && speech->words[first].start > heard + NPU_SEGMENTS_SILENCE)
      return;
    heard = speech->words[end - 1].end;
    for (whole = first; whole < end && speech->words[whole].end <= to;)
      whole++;
    start = speech->words[first].start - from +
        (uint32_t) (rand () % (2 * ERROR_OF_TIME + 1));
    start -= start < ERROR_OF_TIME ? start : ERROR_OF_TIME;
    if (whole == end || (whole > first && start < EARLY))
      write_words (writing, speech, first, whole, from);
    else
      writing->tokens[writing->count++] = (int32_t) (TIME + start);
  }
}

static void
run_stream (const Speech * speech, uint32_t hop, bool deaf)
{
  NpuWindows windows;
  NpuWindow window;
  uint32_t expected = 0, heard_until = 0;
  uint64_t newest = 0, total = 2 * (uint64_t) speech->length;
  bool in_order = true;

  npu_windows_init (&windows, 2 * WINDOW, 2 * hop, true);
  for (;;) {
    uint32_t from;
    Writing writing;
    NpuTokenSegment segments[MAX_TOKENS / 2 + 1];
    NpuSegmentsOutput output = { .segments = segments };
    NpuSegmentsInput input = {
      .tokens = writing.tokens, .first_timestamp = TIME,
      .fastest = NPU_SEGMENTS_TOKENS_A_SECOND,
      .leaves_cut_words = true, .short_silences = deaf
    };

    if (!npu_windows_next (&windows, newest, newest == total, &window)) {
      if (newest == total)
        break;
      newest = newest + 7 < total ? newest + 7 : total;
      continue;
    }
    from = (uint32_t) (window.first / 2);
    transcribe (&writing, speech, from, from + window.frames / 2, deaf);
    input.count = writing.count;
    input.valid = window.frames / 2;
    input.final = window.final;
    input.full = window.final || window.frames == 2 * WINDOW;
    npu_segments_parse (&input, &output);
    for (uint32_t i = 0; i < output.count; i++) {
      in_order = in_order && from + segments[i].start >= heard_until;
      heard_until = from + segments[i].end;
      for (uint32_t j = 0; j < segments[i].token_count; j++)
        in_order = in_order && writing.tokens[segments[i].first_token + j]
            == (int32_t) expected++;
    }
    ck_assert_msg (in_order, "word %u, window %u + %u", expected, from,
        window.frames / 2);
    npu_windows_answer (&windows, window.id,
        window.first + 2 * (uint64_t) output.next);
  }
  ck_assert_uint_eq (expected, speech->count);
}

static void
run_streams (bool talkative, bool deaf)
{
  static const uint32_t hops[] = { 25, 50, 100, 313, WINDOW };
  static Speech speech;
  unsigned seed = (unsigned) time (NULL);

  printf ("seed %u\n", seed);
  srand (seed);
  for (int i = 0; i < 100; i++) {
    speak (&speech, talkative);
    run_stream (&speech, hops[i % 5], deaf);
  }
}

START_TEST (phrases_come_out_once_and_in_order)
{
  run_streams (false, false);
}
END_TEST

START_TEST (speech_without_pauses_comes_out_once_and_in_order)
{
  run_streams (true, false);
}
END_TEST

START_TEST (a_model_that_is_deaf_behind_silence_loses_nothing)
{
  run_streams (false, true);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("long-form");
  TCase *tests = tcase_create ("long-form");

  tcase_add_test (tests, phrases_come_out_once_and_in_order);
  tcase_add_test (tests, speech_without_pauses_comes_out_once_and_in_order);
  tcase_add_test (tests, a_model_that_is_deaf_behind_silence_loses_nothing);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
