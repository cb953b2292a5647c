/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of decoding whole windows: with the built-in model on whatever states,
 * and options on a small multilingual one. That logits are right is for
 * tests/reference, the rules are tested in decoder-rules.c.
 */
#include "decoder/decoder.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "count-allocations.h"
#include "model-writer.h"
#include "run-suite.h"

#define POSITIONS 96

static NpuDevice *device;
static NpuModel *model;
static float *states;
static uint64_t seed;

static void
fill_states (void)
{
  size_t count =
      POSITIONS * (size_t) npu_model_config (model)->audio_width;

  for (size_t i = 0; i < count; i++)
    states[i] = (float) (random_next (&seed) % 2001) / 500 - 2;
}

static void
setup (void)
{
  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, NULL), NPU_OK);
  ck_assert_int_eq (npu_model_open (NPU_MODEL_BUILTIN, device,
          NPU_PRECISION_FLOAT32, &model, NULL), NPU_OK);
  states = calloc (POSITIONS * (size_t)
      npu_model_config (model)->audio_width, sizeof (*states));
  fill_states ();
}

static void
teardown (void)
{
  free (states);
  npu_model_unref (model);
  npu_device_unref (device);
}

static NpuDecoder *
make_decoder (void)
{
  /* The no-speech rule would hide what random states become. */
  NpuDecoderOptions options = NPU_DECODER_OPTIONS_DEFAULT;
  NpuDecoder *decoder;

  options.no_speech_threshold = 2;
  ck_assert_int_eq (npu_decoder_create (model, &options, &decoder, NULL),
      NPU_OK);
  return decoder;
}

static NpuDecoderWindow
make_window (bool full)
{
  return (NpuDecoderWindow) {
    .states = states, .positions = POSITIONS, .valid = POSITIONS - 7,
    .full = full
  };
}

static bool
is_utf8_without_controls (const char *text)
{
  const unsigned char *byte = (const unsigned char *) text;

  while (*byte) {
    int more = *byte < 0x80 ? 0 : *byte < 0xe0 ? 1 : *byte < 0xf0 ? 2 : 3;

    if (*byte < 0x20 || (*byte >= 0x80 && *byte < 0xc2))
      return false;
    for (byte++; more > 0; more--, byte++)
      if ((*byte & 0xc0) != 0x80)
        return false;
  }
  return true;
}

static void
assert_sound (const NpuTranscript * transcript,
    const NpuDecoderWindow * window)
{
  uint32_t end = 0;

  for (size_t i = 0; i < transcript->count; i++) {
    const NpuSegment *segment = &transcript->segments[i];

    ck_assert_uint_ge (segment->start, end);
    ck_assert_uint_gt (segment->end, segment->start);
    ck_assert_uint_gt (strlen (segment->text), 0);
    ck_assert (segment->text[0] != ' ');
    ck_assert (is_utf8_without_controls (segment->text));
    ck_assert (segment->log_probability <= 0);
    end = segment->end;
  }
  ck_assert_uint_le (end, window->valid);
  ck_assert_uint_ge (transcript->next, end);
  ck_assert_uint_le (transcript->next, window->valid);
  if (window->full)
    ck_assert_uint_gt (transcript->next, 0);
  ck_assert_str_eq (transcript->language, "en");
}

START_TEST (any_states_give_sound_transcripts)
{
  NpuDecoder *decoder = make_decoder ();

  for (int i = 0; i < 30; i++) {
    NpuDecoderWindow window = make_window (i % 2);
    NpuTranscript transcript;

    fill_states ();
    window.positions = 16 + (uint32_t) i;
    window.valid = window.positions - (uint32_t) i / 2;
    window.final = window.full && i % 3 == 0;
    ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript,
            NULL), NPU_OK);
    assert_sound (&transcript, &window);
  }
  npu_decoder_free (decoder);
}
END_TEST

START_TEST (states_that_are_no_numbers_end_at_once)
{
  NpuDecoder *decoder = make_decoder ();
  NpuDecoderWindow window = make_window (true);
  NpuTranscript transcript;

  states[5] = 0.0f / 0.0f;
  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript, NULL),
      NPU_OK);
  ck_assert_uint_gt (transcript.next, 0);
  npu_decoder_free (decoder);
}
END_TEST

START_TEST (digital_silence_is_not_decoded)
{
  NpuDecoder *decoder = make_decoder ();
  NpuDecoderWindow window = { .valid = 80, .silent = true };
  NpuTranscript transcript;

  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript, NULL),
      NPU_OK);
  ck_assert_uint_eq (transcript.count, 0);
  ck_assert_uint_eq (transcript.next, 80);
  ck_assert_uint_eq (transcript.tokens, 0);
  ck_assert (transcript.no_speech);
  npu_decoder_free (decoder);
}
END_TEST

START_TEST (windows_of_another_model_are_refused)
{
  NpuDecoder *decoder = make_decoder ();
  NpuDecoderWindow window = make_window (true);
  NpuTranscript transcript;
  NpuError error;

  window.valid = POSITIONS + 1;
  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript,
          &error), NPU_EINVAL);
  window = make_window (true);
  window.states = NULL;
  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript,
          &error), NPU_EINVAL);
  window = make_window (true);
  window.positions = npu_model_config (model)->audio_context + 1;
  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript,
          &error), NPU_EINVAL);
  npu_decoder_free (decoder);
}
END_TEST

START_TEST (the_same_window_gives_the_same_transcript)
{
  NpuDecoder *decoders[2] = { make_decoder (), make_decoder () };
  NpuDecoderWindow window = make_window (true);
  NpuTranscript transcripts[3];

  ck_assert_int_eq (npu_decoder_decode (decoders[0], &window,
          &transcripts[0], NULL), NPU_OK);
  ck_assert_int_eq (npu_decoder_decode (decoders[1], &window,
          &transcripts[1], NULL), NPU_OK);
  ck_assert_int_eq (npu_decoder_decode (decoders[1], &window,
          &transcripts[2], NULL), NPU_OK);
  for (int i = 1; i < 3; i++) {
    ck_assert_uint_eq (transcripts[0].count, transcripts[i].count);
    ck_assert_uint_eq (transcripts[0].next, transcripts[i].next);
    ck_assert (transcripts[0].log_probability ==
        transcripts[i].log_probability);
    for (size_t j = 0; j < transcripts[0].count; j++)
      ck_assert_str_eq (transcripts[0].segments[j].text,
          transcripts[i].segments[j].text);
  }
  npu_decoder_free (decoders[0]);
  npu_decoder_free (decoders[1]);
}
END_TEST

START_TEST (decoding_allocates_nothing)
{
  NpuDecoder *decoder = make_decoder ();
  NpuDecoderWindow window = make_window (true);
  NpuTranscript transcript;
  long before;

  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript, NULL),
      NPU_OK);
  before = allocations_so_far ();
  for (int i = 0; i < 3; i++) {
    fill_states ();
    ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript,
            NULL), NPU_OK);
  }
  /* libcheck allocates for every assertion: far fewer than there are tokens
   * and operations. */
  ck_assert_int_le (allocations_so_far () - before, 12);
  npu_decoder_free (decoder);
}
END_TEST

START_TEST (a_canceled_decoder_refuses_until_it_is_allowed_again)
{
  NpuDecoder *decoder = make_decoder ();
  NpuDecoderWindow window = make_window (true);
  NpuTranscript transcript;

  npu_decoder_cancel (decoder, true);
  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript, NULL),
      NPU_ECANCELED);
  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript, NULL),
      NPU_ECANCELED);
  npu_decoder_cancel (decoder, false);
  ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript, NULL),
      NPU_OK);
  assert_sound (&transcript, &window);
  npu_decoder_free (decoder);
}
END_TEST

typedef struct
{
  NpuDecoder *decoder;
  atomic_bool done;
} Canceling;

static void *
decode_until_canceled (void *user)
{
  Canceling *canceling = user;
  NpuDecoderWindow window = make_window (true);
  NpuTranscript transcript;

  while (npu_decoder_decode (canceling->decoder, &window, &transcript,
          NULL) != NPU_ECANCELED);
  atomic_store (&canceling->done, true);
  return NULL;
}

START_TEST (another_thread_can_cancel)
{
  const struct timespec moment = { 0, 20000000 };
  Canceling canceling = { .decoder = make_decoder () };
  pthread_t thread;

  ck_assert_int_eq (pthread_create (&thread, NULL, decode_until_canceled,
          &canceling), 0);
  nanosleep (&moment, NULL);
  ck_assert (!atomic_load (&canceling.done));
  npu_decoder_cancel (canceling.decoder, true);
  pthread_join (thread, NULL);
  ck_assert (atomic_load (&canceling.done));
  npu_decoder_free (canceling.decoder);
}
END_TEST

typedef struct
{
  pthread_t thread;
  float log_probability;
  bool wrong;
} Stream;

static void *
run_stream (void *user)
{
  Stream *stream = user;
  NpuDecoder *decoder = NULL;
  NpuDecoderWindow window = make_window (true);

  stream->wrong = npu_decoder_create (model, NULL, &decoder, NULL) != NPU_OK;
  for (int i = 0; i < 5 && !stream->wrong; i++) {
    NpuTranscript transcript;

    stream->wrong = npu_decoder_decode (decoder, &window, &transcript,
        NULL) != NPU_OK || (i > 0 &&
        transcript.log_probability != stream->log_probability);
    stream->log_probability = transcript.log_probability;
  }
  npu_decoder_free (decoder);
  return NULL;
}

START_TEST (decoders_that_share_a_model_do_not_disturb_each_other)
{
  Stream streams[3] = { 0 };

  for (int i = 0; i < 3; i++)
    ck_assert_int_eq (pthread_create (&streams[i].thread, NULL, run_stream,
            &streams[i]), 0);
  for (int i = 0; i < 3; i++) {
    pthread_join (streams[i].thread, NULL);
    ck_assert (!streams[i].wrong);
    ck_assert (streams[i].log_probability == streams[0].log_probability);
  }
}
END_TEST

START_TEST (an_english_model_takes_english_only)
{
  static const char *const english[] = { NULL, "", "auto", "en", "EN-gb" };
  NpuDecoderOptions options = NPU_DECODER_OPTIONS_DEFAULT;
  NpuDecoder *decoder = NULL;
  NpuError error;

  for (size_t i = 0; i < sizeof (english) / sizeof (english[0]); i++) {
    options.language = english[i];
    ck_assert_int_eq (npu_decoder_create (model, &options, &decoder, NULL),
        NPU_OK);
    npu_decoder_free (decoder);
  }
  decoder = NULL;
  options.language = "de";
  ck_assert_int_eq (npu_decoder_create (model, &options, &decoder, &error),
      NPU_EINVAL);
  options.language = NULL;
  options.task = NPU_TASK_TRANSLATE;
  ck_assert_int_eq (npu_decoder_create (model, &options, &decoder, &error),
      NPU_EINVAL);
  ck_assert_ptr_null (decoder);
}
END_TEST

START_TEST (a_multilingual_model_lists_its_languages)
{
  WrittenModel *written = written_model_new (&model_spec_small);
  NpuDecoderOptions options = NPU_DECODER_OPTIONS_DEFAULT;
  NpuDecoder *decoder = NULL;
  NpuModel *small;
  NpuError error;

  ck_assert_int_eq (mkdir (test_path ("small"), 0700), 0);
  written_model_save (written, test_path ("small"));
  written_model_free (written);
  ck_assert_int_eq (npu_model_open (test_path ("small"), device,
          NPU_PRECISION_FLOAT32, &small, &error), NPU_OK);
  options.language = "fr";
  ck_assert_int_eq (npu_decoder_create (small, &options, &decoder, &error),
      NPU_EINVAL);
  ck_assert_ptr_nonnull (strstr (error.message, "en de"));
  options.language = "de";
  options.task = NPU_TASK_TRANSLATE;
  ck_assert_int_eq (npu_decoder_create (small, &options, &decoder, &error),
      NPU_OK);
  npu_decoder_free (decoder);
  npu_model_unref (small);
}
END_TEST

START_TEST (logits_do_not_depend_on_what_came_before)
{
  static const int32_t tokens[] = { 3, 1, 4, 1, 5 };
  size_t vocabulary = npu_model_config (model)->vocabulary;
  float *logits[2];
  NpuDecoder *decoder = make_decoder ();
  NpuDecoderWindow window = make_window (true);
  NpuTranscript transcript;

  for (int i = 0; i < 2; i++) {
    logits[i] = calloc (5 * vocabulary, sizeof (float));
    ck_assert_int_eq (npu_decoder_logits (decoder, &window, tokens, 5,
            logits[i], NULL), NPU_OK);
    ck_assert_int_eq (npu_decoder_decode (decoder, &window, &transcript,
            NULL), NPU_OK);
  }
  ck_assert_mem_eq (logits[0], logits[1], 5 * vocabulary * sizeof (float));
  free (logits[0]);
  free (logits[1]);
  npu_decoder_free (decoder);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("decoder");
  TCase *tests = tcase_create ("decoder");

  seed = (uint64_t) time (NULL);
  printf ("seed %llu\n", (unsigned long long) seed);
  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_test (tests, any_states_give_sound_transcripts);
  tcase_add_test (tests, states_that_are_no_numbers_end_at_once);
  tcase_add_test (tests, digital_silence_is_not_decoded);
  tcase_add_test (tests, windows_of_another_model_are_refused);
  tcase_add_test (tests, the_same_window_gives_the_same_transcript);
  tcase_add_test (tests, decoding_allocates_nothing);
  tcase_add_test (tests, a_canceled_decoder_refuses_until_it_is_allowed_again);
  tcase_add_test (tests, another_thread_can_cancel);
  tcase_add_test (tests,
      decoders_that_share_a_model_do_not_disturb_each_other);
  tcase_add_test (tests, an_english_model_takes_english_only);
  tcase_add_test (tests, a_multilingual_model_lists_its_languages);
  tcase_add_test (tests, logits_do_not_depend_on_what_came_before);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
