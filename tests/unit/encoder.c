/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the encoder's slots on a small random model. That its numbers are
 * right is for tests/reference.
 */
#include "encoder/encoder.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "count-allocations.h"
#include "model-writer.h"
#include "pipeline/ring.h"
#include "run-suite.h"

#define CONTEXT 40
#define BANDS 80
#define WIDTH 32
#define FRAMES (2 * CONTEXT)

static NpuDevice *device;
static NpuModel *model;
static NpuFrameRing *ring;
static uint64_t seed = 7;

static void
setup (void)
{
  ModelSpec spec = model_spec_small;
  float *frames = calloc (FRAMES * BANDS, sizeof (*frames));
  WrittenModel *written;
  Buffer buffer;
  const char *path = test_path ("encoder.bin");

  spec.audio_context = CONTEXT;
  spec.audio_layers = 2;
  written = written_model_new (&spec);
  buffer = written_model_ggml (written, NULL);
  write_file (path, buffer.data, buffer.size);
  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, NULL), NPU_OK);
  ck_assert_int_eq (npu_model_open (path, device, NPU_PRECISION_FLOAT32,
          &model, NULL), NPU_OK);
  ck_assert_uint_eq (npu_model_config (model)->bands, BANDS);
  ck_assert_uint_eq (npu_model_config (model)->audio_width, WIDTH);
  ck_assert_int_eq (npu_ring_create (device, BANDS, FRAMES, &ring, NULL),
      NPU_OK);
  for (int i = 0; i < FRAMES * BANDS; i++)
    frames[i] = (float) (random_next (&seed) % 1000) / 125 - 7;
  npu_ring_push (ring, frames, FRAMES);
  buffer_clear (&buffer);
  written_model_free (written);
  free (frames);
}

static void
teardown (void)
{
  npu_ring_unref (ring);
  npu_model_unref (model);
  npu_device_unref (device);
}

static NpuEncoder *
make_encoder (uint32_t depth, uint32_t batch)
{
  const NpuEncoderOptions options = {
    .executor = {.depth = depth},
    .batch = batch,
  };
  NpuEncoder *encoder;

  ck_assert_int_eq (npu_encoder_create (model, &options, &encoder, NULL),
      NPU_OK);
  ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_ENCODER,
          NPU_WAIT_FOREVER, NULL), NPU_OK);
  return encoder;
}

static NpuEncoderWindow
make_window (uint64_t first, uint32_t frames, uint32_t positions)
{
  NpuEncoderWindow window = { .positions = positions };

  ck_assert_int_eq (npu_ring_view (ring, first, frames, window.frames),
      NPU_OK);
  ck_assert_int_eq (npu_ring_upload (ring, first + frames, NULL), NPU_OK);
  return window;
}

static uint32_t
encode (NpuEncoder * encoder, const NpuEncoderWindow * window, float *states)
{
  NpuError error;
  uint32_t slot;
  NpuStatus status = npu_encoder_run (encoder, window, 1, &slot, &error);

  ck_assert_msg (status == NPU_OK, "%s", error.message);
  memcpy (states, npu_encoder_states (encoder, slot, 0),
      window->positions * WIDTH * sizeof (*states));
  npu_encoder_close (encoder, slot);
  return slot;
}

static void
submit (NpuEncoder * encoder, const NpuEncoderWindow * windows, uint32_t count)
{
  NpuError error;
  NpuStatus status;
  uint32_t slot;

  ck_assert_int_eq (npu_encoder_open (encoder, 0, &slot), NPU_OK);
  status = npu_encoder_submit (encoder, slot, windows, count, &error);
  ck_assert_msg (status == NPU_OK, "%s", error.message);
}

static bool
equal_states (const float *a, const float *b, uint32_t positions)
{
  for (uint32_t i = 0; i < positions * WIDTH; i++)
    if (!isfinite (a[i]) || a[i] != b[i])
      return false;
  return true;
}

START_TEST (a_full_context_is_the_default_of_models_that_know_no_other)
{
  ck_assert_uint_eq (npu_encoder_positions (model, NPU_CONTEXT_AUTO, 10),
      CONTEXT);
  ck_assert_uint_eq (npu_encoder_positions (model, NPU_CONTEXT_FULL, 10),
      CONTEXT);
}
END_TEST

START_TEST (a_heard_context_is_rounded_up_and_limited)
{
  uint32_t step = npu_device_info (device)->context_step;
  uint32_t last = 0;

  for (uint32_t frames = 0; frames <= FRAMES; frames++) {
    uint32_t positions =
        npu_encoder_positions (model, NPU_CONTEXT_HEARD, frames);

    ck_assert_uint_ge (positions, 1);
    ck_assert_uint_ge (2 * positions, frames);
    ck_assert (positions == CONTEXT || positions % step == 0);
    ck_assert_uint_ge (positions, last);
    last = positions;
  }
  ck_assert_uint_eq (npu_encoder_positions (model, NPU_CONTEXT_HEARD,
          UINT32_MAX), CONTEXT);
}
END_TEST

START_TEST (every_slot_and_every_encoder_gives_the_same_bits)
{
  NpuEncoder *encoders[2] = { make_encoder (3, 1), make_encoder (1, 1) };
  NpuEncoderWindow window = make_window (3, 61, CONTEXT);
  float expected[CONTEXT * WIDTH], states[CONTEXT * WIDTH];
  uint32_t slots = 0;

  encode (encoders[1], &window, expected);
  for (int i = 0; i < 3; i++) {
    slots |= 1u << encode (encoders[0], &window, states);
    ck_assert (equal_states (expected, states, CONTEXT));
  }
  ck_assert_uint_eq (slots, 7);
  npu_encoder_free (encoders[0]);
  npu_encoder_free (encoders[1]);
}
END_TEST

START_TEST (a_window_leaves_nothing_in_its_slot_for_the_next)
{
  NpuEncoder *encoder = make_encoder (1, 1);
  NpuEncoderWindow small = make_window (0, 15, 8);
  NpuEncoderWindow large = make_window (0, FRAMES, CONTEXT);
  float expected[CONTEXT * WIDTH], states[CONTEXT * WIDTH];

  encode (encoder, &small, expected);
  encode (encoder, &large, states);
  ck_assert (!equal_states (expected, states, 8));
  encode (encoder, &small, states);
  ck_assert (equal_states (expected, states, 8));
  npu_encoder_free (encoder);
}
END_TEST

START_TEST (slots_in_flight_together_keep_their_own_results)
{
  NpuEncoder *encoder = make_encoder (4, 1);
  float expected[4][CONTEXT * WIDTH];

  for (uint32_t slot = 0; slot < 4; slot++) {
    NpuEncoderWindow window = make_window (slot, 40 + slot, CONTEXT);

    encode (encoder, &window, expected[slot]);
  }
  for (uint32_t i = 0; i < 4; i++) {
    NpuEncoderWindow window = make_window (i, 40 + i, CONTEXT);

    submit (encoder, &window, 1);
  }
  for (uint32_t i = 0; i < 4; i++) {
    uint32_t slot;

    ck_assert_int_eq (npu_encoder_collect (encoder, NPU_WAIT_FOREVER, &slot,
            NULL), NPU_OK);
    ck_assert (equal_states (expected[i],
            npu_encoder_states (encoder, slot, 0), CONTEXT));
    npu_encoder_close (encoder, slot);
  }
  npu_encoder_free (encoder);
}
END_TEST

START_TEST (windows_of_a_batch_give_the_bits_of_single_ones)
{
  NpuEncoder *encoder = make_encoder (2, 3);
  NpuEncoderWindow windows[3] = {
    make_window (0, FRAMES, CONTEXT), make_window (5, 31, 16),
    make_window (7, 1, 1)
  };
  float expected[3][CONTEXT * WIDTH];

  for (int i = 0; i < 3; i++)
    encode (encoder, &windows[i], expected[i]);
  for (int round = 0; round < 4; round++) {
    uint32_t slot;

    ck_assert_int_eq (npu_encoder_run (encoder, windows, 3, &slot, NULL),
        NPU_OK);
    for (uint32_t i = 0; i < 3; i++)
      ck_assert (equal_states (expected[i],
              npu_encoder_states (encoder, slot, i), windows[i].positions));
    npu_encoder_close (encoder, slot);
  }
  npu_encoder_free (encoder);
}
END_TEST

START_TEST (states_go_to_the_buffer_that_the_window_brings)
{
  const NpuEncoderOptions options = {
    .executor = {.depth = 1},
    .foreign_states = true,
  };
  NpuEncoder *encoder = make_encoder (1, 1), *foreign;
  NpuEncoderWindow window = make_window (0, FRAMES, CONTEXT);
  float expected[CONTEXT * WIDTH];
  NpuBuffer *buffer;
  uint32_t slot;

  encode (encoder, &window, expected);
  ck_assert_int_eq (npu_encoder_create (model, &options, &foreign, NULL),
      NPU_OK);
  /* without a buffer there is no place for them */
  ck_assert_int_eq (npu_encoder_run (foreign, &window, 1, &slot, NULL),
      NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_create (device, 2 * sizeof (expected), 0,
          &buffer, NULL), NPU_OK);
  window.states = (NpuView) {.buffer = buffer,.offset = sizeof (expected) };
  ck_assert_int_eq (npu_encoder_run (foreign, &window, 1, &slot, NULL),
      NPU_OK);
  ck_assert_ptr_eq (npu_encoder_states (foreign, slot, 0),
      (char *) npu_buffer_host (buffer) + sizeof (expected));
  ck_assert (equal_states (expected, npu_encoder_states (foreign, slot, 0),
          CONTEXT));
  npu_encoder_free (foreign);
  npu_encoder_free (encoder);
  npu_buffer_unref (buffer);
}
END_TEST

START_TEST (encoding_allocates_nothing)
{
  NpuEncoder *encoder = make_encoder (2, 1);
  NpuEncoderWindow window = make_window (0, FRAMES, CONTEXT);
  NpuStatus status = NPU_OK;
  long before = 0;

  for (uint32_t i = 0; i < 20 && status == NPU_OK; i++) {
    uint32_t slot;

    if (i == 2)
      before = allocations_so_far ();
    status = npu_encoder_run (encoder, &window, 1, &slot, NULL);
    npu_encoder_close (encoder, slot);
  }
  ck_assert_int_eq (allocations_so_far () - before, 0);
  ck_assert_int_eq (status, NPU_OK);
  npu_encoder_free (encoder);
}
END_TEST

START_TEST (a_slot_is_busy_until_it_is_closed)
{
  NpuEncoder *encoder = make_encoder (1, 1);
  NpuEncoderWindow window = make_window (0, 40, CONTEXT);
  uint32_t slot;

  submit (encoder, &window, 1);
  ck_assert_int_eq (npu_encoder_open (encoder, 0, &slot), NPU_EBUSY);
  ck_assert_int_eq (npu_encoder_collect (encoder, NPU_WAIT_FOREVER, &slot,
          NULL), NPU_OK);
  ck_assert_int_eq (npu_encoder_open (encoder, 0, &slot), NPU_EBUSY);
  npu_encoder_close (encoder, slot);
  submit (encoder, &window, 1);
  /* Freed in flight. */
  npu_encoder_free (encoder);
}
END_TEST

START_TEST (windows_that_do_not_fit_are_refused)
{
  NpuEncoder *encoder = make_encoder (1, 1);
  NpuEncoderOptions options = {.executor = {.depth = 0} };
  NpuEncoderWindow windows[2] = { make_window (0, 40, CONTEXT) };
  uint32_t slot;

  ck_assert_int_eq (npu_encoder_submit (encoder, 1, windows, 1, NULL),
      NPU_EINVAL);
  ck_assert_ptr_null (npu_encoder_states (encoder, 1, 0));
  ck_assert_ptr_null (npu_encoder_states (encoder, 0, 1));
  windows[1] = windows[0];
  ck_assert_int_eq (npu_encoder_run (encoder, windows, 2, &slot, NULL),
      NPU_EINVAL);
  windows[0].positions = 0;
  ck_assert_int_eq (npu_encoder_run (encoder, windows, 1, &slot, NULL),
      NPU_EINVAL);
  windows[0].positions = CONTEXT + 1;
  ck_assert_int_eq (npu_encoder_run (encoder, windows, 1, &slot, NULL),
      NPU_EINVAL);
  windows[0].positions = 19;
  ck_assert_int_eq (npu_encoder_run (encoder, windows, 1, &slot, NULL),
      NPU_EINVAL);
  windows[0].positions = 20;
  ck_assert_int_eq (npu_encoder_run (encoder, windows, 1, &slot, NULL),
      NPU_OK);
  npu_encoder_free (encoder);
  ck_assert_int_eq (npu_encoder_create (model, &options, &encoder, NULL),
      NPU_EINVAL);
  options.executor.depth = NPU_ENCODER_MAX_DEPTH + 1;
  ck_assert_int_eq (npu_encoder_create (model, &options, &encoder, NULL),
      NPU_EINVAL);
  options.executor.depth = 1;
  options.batch = NPU_ENCODER_MAX_BATCH + 1;
  ck_assert_int_eq (npu_encoder_create (model, &options, &encoder, NULL),
      NPU_EINVAL);
}
END_TEST

START_TEST (nan_and_infinity_in_frames_do_no_harm)
{
  NpuEncoder *encoder = make_encoder (1, 1);
  float frames[BANDS * 4], states[CONTEXT * WIDTH];
  NpuEncoderWindow window;

  for (int i = 0; i < BANDS * 4; i++)
    frames[i] = i % 3 ? NAN : i % 2 ? -INFINITY : -3;
  npu_ring_reset (ring, 0);
  npu_ring_push (ring, frames, 4);
  ck_assert (npu_ring_peak (ring, 0, 4) == -3);
  window = make_window (0, 4, 8);
  encode (encoder, &window, states);
  ck_assert (equal_states (states, states, 8));
  npu_encoder_free (encoder);
}
END_TEST

typedef struct
{
  pthread_t thread;
  const float *expected;
  bool wrong;
} Stream;

static void *
run_stream (void *user)
{
  Stream *stream = user;
  NpuEncoder *encoder = NULL;

  if (npu_encoder_create (model, NULL, &encoder, NULL) != NPU_OK) {
    stream->wrong = true;
    return NULL;
  }
  npu_model_wait (model, NPU_MODEL_ENCODER, NPU_WAIT_FOREVER, NULL);
  for (uint32_t i = 0; i < 20; i++) {
    NpuEncoderWindow window = { .positions = CONTEXT };
    uint32_t slot;

    npu_ring_view (ring, 0, FRAMES, window.frames);
    stream->wrong |=
        npu_encoder_run (encoder, &window, 1, &slot, NULL) != NPU_OK ||
        !equal_states (npu_encoder_states (encoder, slot, 0),
        stream->expected, CONTEXT);
    npu_encoder_close (encoder, slot);
  }
  npu_encoder_free (encoder);
  return NULL;
}

START_TEST (streams_that_share_a_model_do_not_disturb_each_other)
{
  NpuEncoder *encoder = make_encoder (1, 1);
  NpuEncoderWindow window = make_window (0, FRAMES, CONTEXT);
  float expected[CONTEXT * WIDTH];
  Stream streams[3];

  encode (encoder, &window, expected);
  for (int i = 0; i < 3; i++) {
    streams[i] = (Stream) { .expected = expected };
    ck_assert_int_eq (pthread_create (&streams[i].thread, NULL, run_stream,
            &streams[i]), 0);
  }
  for (int i = 0; i < 3; i++) {
    pthread_join (streams[i].thread, NULL);
    ck_assert (!streams[i].wrong);
  }
  npu_encoder_free (encoder);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("encoder");
  TCase *tests = tcase_create ("encoder");

  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_test (tests,
      a_full_context_is_the_default_of_models_that_know_no_other);
  tcase_add_test (tests, a_heard_context_is_rounded_up_and_limited);
  tcase_add_test (tests, every_slot_and_every_encoder_gives_the_same_bits);
  tcase_add_test (tests, a_window_leaves_nothing_in_its_slot_for_the_next);
  tcase_add_test (tests, slots_in_flight_together_keep_their_own_results);
  tcase_add_test (tests, encoding_allocates_nothing);
  tcase_add_test (tests, a_slot_is_busy_until_it_is_closed);
  tcase_add_test (tests, windows_of_a_batch_give_the_bits_of_single_ones);
  tcase_add_test (tests, states_go_to_the_buffer_that_the_window_brings);
  tcase_add_test (tests, windows_that_do_not_fit_are_refused);
  tcase_add_test (tests, nan_and_infinity_in_frames_do_no_harm);
  tcase_add_test (tests, streams_that_share_a_model_do_not_disturb_each_other);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
