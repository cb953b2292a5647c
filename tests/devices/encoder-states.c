/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The built-in model's encoder on the emulated NPU, on the speech that lies
 * beside the model: how far its states are from those of the cpu device in
 * float32, and that their bits repeat. That the cpu device's are right is for
 * tests/reference.
 */
#include "encoder/encoder.h"
#include "mel/mel.h"
#include "run-suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE "models/commands-en/sample.wav"
#define WAV_HEADER 44
#define LIMIT 1e-2

typedef struct
{
  NpuDevice *device;
  NpuModel *model;
  NpuEncoder *encoder;
  NpuBuffer *frames;
} Session;

static float *speech;           /* log-mel frames */
static uint32_t speech_frames;
static uint32_t bands, width, context;

static void
read_samples (NpuMel * mel)
{
  char path[1024];
  int16_t sample;
  float value;
  FILE *file;

  snprintf (path, sizeof (path), "%s/" SAMPLE, getenv ("NPU_SOURCE_ROOT"));
  file = fopen (path, "rb");
  ck_assert_msg (file != NULL, "%s cannot be opened", path);
  fseek (file, WAV_HEADER, SEEK_SET);
  while (fread (&sample, sizeof (sample), 1, file) == 1) {
    value = sample / 32768.0f;
    while (npu_mel_push (mel, &value, 1) == 0)
      speech_frames += npu_mel_pull (mel, speech + speech_frames * bands, 1);
  }
  fclose (file);
  npu_mel_finish (mel);
}

/* A window of speech as long as the model's context. */
static void
make_speech (void)
{
  NpuMel *mel;
  uint32_t most = 4 * context;

  ck_assert_int_eq (npu_mel_create (bands, &mel, NULL), NPU_OK);
  speech = calloc ((size_t) most * bands, sizeof (*speech));
  speech_frames = 0;
  read_samples (mel);
  speech_frames += npu_mel_pull (mel, speech + speech_frames * bands,
      most - speech_frames);
  npu_mel_free (mel);
  ck_assert_uint_ge (speech_frames, 2 * context);
}

static void
open_session (Session * session, const char *name, uint32_t threads)
{
  NpuDeviceOptions options = {.threads = threads };
  NpuError error = { NPU_OK, "" };
  size_t size;

  npu_device_open (name, &options, &session->device, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  npu_model_open (NPU_MODEL_BUILTIN, session->device, NPU_PRECISION_AUTO,
      &session->model, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  npu_encoder_create (session->model, NULL, &session->encoder, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  ck_assert_int_eq (npu_model_wait (session->model, NPU_MODEL_ENCODER,
          NPU_WAIT_FOREVER, NULL), NPU_OK);
  bands = npu_model_config (session->model)->bands;
  width = npu_model_config (session->model)->audio_width;
  context = npu_model_config (session->model)->audio_context;
  if (!speech)
    make_speech ();
  size = (size_t) 2 * context * bands * sizeof (float);
  ck_assert_int_eq (npu_buffer_create (session->device, size, 0,
          &session->frames, NULL), NPU_OK);
  memcpy (npu_buffer_host (session->frames), speech, size);
  ck_assert_int_eq (npu_buffer_sync (session->frames, NPU_SYNC_TO_DEVICE, 0,
          size), NPU_OK);
}

static void
close_session (Session * session)
{
  npu_buffer_unref (session->frames);
  npu_encoder_free (session->encoder);
  npu_model_unref (session->model);
  npu_device_unref (session->device);
}

/* Returns states that the caller frees, of @frames of speech. */
static float *
encode (Session * session, uint32_t frames, uint32_t positions)
{
  NpuEncoderWindow window = {
    .frames = {{session->frames, 0, frames}},.positions = positions
  };
  NpuError error = { NPU_OK, "" };
  float *states = calloc ((size_t) positions * width, sizeof (*states));
  uint32_t slot;

  npu_encoder_run (session->encoder, &window, 1, &slot, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  memcpy (states, npu_encoder_states (session->encoder, slot, 0),
      (size_t) positions * width * sizeof (*states));
  npu_encoder_close (session->encoder, slot);
  return states;
}

static double
relative_distance (const float *states, const float *reference, size_t count)
{
  double difference = 0.0, sum = 0.0;

  for (size_t i = 0; i < count; i++) {
    difference += ((double) states[i] - reference[i])
        * ((double) states[i] - reference[i]);
    sum += (double) reference[i] * reference[i];
  }
  return sqrt (difference / sum);
}

START_TEST (states_on_the_emulated_npu_are_close_to_those_in_float32)
{
  /* of the context, frames and positions: all of it, some of it, and a window
   * that is half padding */
  const uint32_t parts[][2] = { {100, 100}, {53, 53}, {5, 5}, {50, 100} };
  Session cpu, emu;

  open_session (&cpu, "cpu", 0);
  open_session (&emu, "emu", 0);
  ck_assert_int_eq (npu_model_precision (cpu.model), NPU_PRECISION_FLOAT32);
  ck_assert_int_eq (npu_model_precision (emu.model), NPU_PRECISION_BF16);
  for (size_t i = 0; i < sizeof (parts) / sizeof (parts[0]); i++) {
    uint32_t frames = 2 * context * parts[i][0] / 100;
    uint32_t positions = context * parts[i][1] / 100;
    float *reference = encode (&cpu, frames, positions);
    float *states = encode (&emu, frames, positions);
    double distance = relative_distance (states, reference,
        (size_t) positions * width);

    printf ("%u frames in %u positions: relative L2 %.2e\n", frames, positions,
        distance);
    fflush (stdout);
    ck_assert_double_le (distance, LIMIT);
    free (states);
    free (reference);
  }
  close_session (&emu);
  close_session (&cpu);
}

END_TEST

START_TEST (states_repeat_bit_by_bit_for_any_number_of_threads)
{
  static const uint32_t threads[] = { 2, 2, 1, 5 };
  float *expected = NULL;

  for (size_t i = 0; i < sizeof (threads) / sizeof (threads[0]); i++) {
    Session session;
    float *states;

    open_session (&session, "emu", threads[i]);
    states = encode (&session, 2 * context, context);
    if (expected) {
      ck_assert_mem_eq (states, expected, (size_t) context * width
          * sizeof (float));
      free (states);
    } else {
      expected = states;
    }
    close_session (&session);
  }
  free (expected);
}

END_TEST

/* Three windows of different lengths in one list. */
#define WINDOWS 3

START_TEST (windows_of_a_batch_have_the_bits_of_single_ones)
{
  static const char *const names[] = { "cpu", "emu" };
  const NpuEncoderOptions options = {
    .executor = {.depth = 2},.batch = WINDOWS
  };
  const uint32_t positions[WINDOWS] = { 250, 64, 17 };
  NpuEncoderWindow windows[WINDOWS] = { 0 };
  NpuError error = { NPU_OK, "" };
  Session session;
  NpuEncoder *encoder;
  uint32_t slot;

  open_session (&session, names[_i], 2);
  npu_encoder_create (session.model, &options, &encoder, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  for (int i = 0; i < WINDOWS; i++) {
    windows[i].frames[0] =
        (NpuView) { session.frames, 0, 2 * positions[i] - i };
    windows[i].positions = positions[i];
  }
  npu_encoder_run (encoder, windows, WINDOWS, &slot, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  for (uint32_t i = 0; i < WINDOWS; i++) {
    float *single = encode (&session, 2 * positions[i] - i, positions[i]);

    ck_assert_mem_eq (npu_encoder_states (encoder, slot, i), single,
        (size_t) positions[i] * width * sizeof (*single));
    free (single);
  }
  npu_encoder_free (encoder);
  close_session (&session);
}
END_TEST

START_TEST (a_decoder_runs_on_the_cpu_where_the_device_has_no_operations_for_it)
{
  Session session;
  NpuDevice *device;

  open_session (&session, "emu", 3);
  device = npu_model_part_device (session.model, NPU_MODEL_DECODER);
  ck_assert_str_eq (npu_device_info (device)->name, "cpu");
  ck_assert_uint_eq (npu_device_info (device)->threads, 3);
  ck_assert_ptr_eq (npu_model_part_device (session.model, NPU_MODEL_ENCODER),
      session.device);
  ck_assert_ptr_eq (npu_model_device (session.model), session.device);
  ck_assert_int_eq (npu_model_wait (session.model, NPU_MODEL_DECODER,
          NPU_WAIT_FOREVER, NULL), NPU_OK);
  ck_assert_int_eq (npu_program_precision (npu_model_program (session.model,
              NPU_MODEL_DECODER)), NPU_PRECISION_FLOAT32);
  close_session (&session);
  open_session (&session, "cpu", 3);
  ck_assert_ptr_eq (npu_model_part_device (session.model, NPU_MODEL_DECODER),
      session.device);
  close_session (&session);
}

END_TEST

int
main (void)
{
  Suite *suite = suite_create ("encoder states");
  TCase *tests = tcase_create ("encoder states");

  tcase_add_test (tests,
      states_on_the_emulated_npu_are_close_to_those_in_float32);
  tcase_add_test (tests, states_repeat_bit_by_bit_for_any_number_of_threads);
  tcase_add_loop_test (tests, windows_of_a_batch_have_the_bits_of_single_ones,
      0, 2);
  tcase_add_test (tests,
      a_decoder_runs_on_the_cpu_where_the_device_has_no_operations_for_it);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
