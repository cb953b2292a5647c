/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The log-mel front end against a reference in double precision, computed
 * here from the formula, and against stored values.
 */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "count-allocations.h"
#include "mel/mel.h"
#include "mel-jfk-table.h"
#include "run-suite.h"

#define SPEECH_BOUND 2e-4
#define ANY_BOUND 1e-3

/* --- random numbers, from a seed that is printed --- */

static uint64_t random_state;

static void
seed_random (void)
{
  const char *given = getenv ("NPU_TEST_SEED");
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  random_state = given ? strtoull (given, NULL, 0) :
      ((uint64_t) now.tv_sec * 1000000000 + now.tv_nsec) * 2654435761u + 1;
  printf ("NPU_TEST_SEED=%llu\n", (unsigned long long) random_state);
  fflush (stdout);
}

static uint32_t
random_number (void)
{
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return random_state >> 33;
}

/* -1 ... 1 */
static float
random_sample (void)
{
  return random_number () / (float) (1u << 30) - 1;
}

/* --- reference --- */

static double
slaney_hertz (double mel)
{
  return mel < 15 ? mel * 200 / 3 : 1000 * pow (6.4, (mel - 15) / 27);
}

static void
reference_filter (unsigned bands, unsigned band, double *weights)
{
  double top = 15 + 27 * log (8.0) / log (6.4);
  double left = slaney_hertz (top * band / (bands + 1));
  double centre = slaney_hertz (top * (band + 1) / (bands + 1));
  double right = slaney_hertz (top * (band + 2) / (bands + 1));
  unsigned bin;

  for (bin = 0; bin < NPU_MEL_BINS; bin++) {
    double hertz = 40.0 * bin;
    double height = fmin ((hertz - left) / (centre - left),
        (right - hertz) / (right - centre));

    weights[bin] = fmax (height, 0) * 2 / (right - left);
  }
}

/* Zero padding behind, then reflection in front. */
static double
reference_sample (const float *samples, long count, long position)
{
  position = labs (position);
  return position < count ? samples[position] : 0;
}

static void
reference_power (const float *samples, long count, long frame, double *power)
{
  static double cosine[NPU_MEL_WINDOW];
  double windowed[NPU_MEL_WINDOW];
  int i, bin;

  for (i = 0; i < NPU_MEL_WINDOW; i++) {
    cosine[i] = cos (2 * M_PI * i / NPU_MEL_WINDOW);
    windowed[i] = reference_sample (samples, count, frame * 160 - 200 + i)
        * (0.5 - 0.5 * cosine[i]);
  }
  for (bin = 0; bin < NPU_MEL_BINS; bin++) {
    double real = 0, imaginary = 0;

    for (i = 0; i < NPU_MEL_WINDOW; i++) {
      real += windowed[i] * cosine[bin * i % NPU_MEL_WINDOW];
      /* sin (x) = cos (x - pi / 2) */
      imaginary += windowed[i] * cosine[(bin * i + 300) % NPU_MEL_WINDOW];
    }
    power[bin] = real * real + imaginary * imaginary;
  }
}

static double *
reference_frames (const float *samples, long count, unsigned bands)
{
  long frames = count / 160, frame;
  double *values = malloc ((frames * bands + 1) * sizeof (double));
  double (*filters)[NPU_MEL_BINS] = malloc (bands * sizeof (*filters));
  double power[NPU_MEL_BINS];
  unsigned band, bin;

  for (band = 0; band < bands; band++)
    reference_filter (bands, band, filters[band]);
  for (frame = 0; frame < frames; frame++) {
    reference_power (samples, count, frame, power);
    for (band = 0; band < bands; band++) {
      double sum = 0;

      for (bin = 0; bin < NPU_MEL_BINS; bin++)
        sum += filters[band][bin] * power[bin];
      values[frame * bands + band] = log10 (fmax (sum, 1e-10));
    }
  }
  free (filters);
  return values;
}

/* --- helpers --- */

static NpuMel *
create (unsigned bands)
{
  NpuError error;
  NpuMel *mel;

  ck_assert_msg (npu_mel_create (bands, &mel, &error) == NPU_OK, "%s",
      error.message);
  return mel;
}

/* All frames of @samples; the caller frees them. */
static float *
all_frames (NpuMel * mel, const float *samples, size_t count, size_t *frames)
{
  unsigned bands = npu_mel_bands (mel);
  float *values = malloc ((count / 160 * bands + 1) * sizeof (float));
  size_t room = count / 160, done = 0;

  npu_mel_reset (mel);
  while (count > 0) {
    size_t taken = npu_mel_push (mel, samples, count);

    samples += taken;
    count -= taken;
    done += npu_mel_pull (mel, values + done * bands, room - done);
  }
  npu_mel_finish (mel);
  done += npu_mel_pull (mel, values + done * bands, room - done);
  ck_assert_uint_eq (npu_mel_ready (mel), 0);
  ck_assert_uint_eq (npu_mel_frames (mel), done);
  *frames = done;
  return values;
}

static double
clamp (double value, double max)
{
  return (fmax (value, max - 8) + 4) / 4;
}

/* Largest difference behind the window's clamp. */
static double
difference (const float *values, const double *expected, size_t count)
{
  double max = -10, worst = 0;
  size_t i;

  for (i = 0; i < count; i++)
    max = fmax (max, expected[i]);
  for (i = 0; i < count; i++) {
    double error = fabs (clamp (values[i], max) - clamp (expected[i], max));

    /* a NaN is the worst of all */
    worst = error <= worst ? worst : error;
  }
  return worst;
}

static void
assert_like_reference (const char *what, const float *samples, size_t count,
    double bound)
{
  static const unsigned bands[] = { 80, 128 };
  int i;

  for (i = 0; i < 2; i++) {
    NpuMel *mel = create (bands[i]);
    double *expected = reference_frames (samples, count, bands[i]);
    size_t frames;
    float *values = all_frames (mel, samples, count, &frames);
    double worst;

    ck_assert_uint_eq (frames, count / 160);
    worst = difference (values, expected, frames * bands[i]);
    printf ("%s, %u bands: %.1e\n", what, bands[i], worst);
    ck_assert_msg (worst <= bound, "%s, %u bands: differs by %g", what,
        bands[i], worst);
    free (values);
    free (expected);
    npu_mel_free (mel);
  }
}

static FILE *
open_data (const char *name)
{
  const char *folder = getenv ("NPU_SHARED_DATA");
  char path[4096];
  FILE *file;

  snprintf (path, sizeof (path), "%s/%s", folder ? folder : ".", name);
  file = fopen (path, "rb");
  if (!file)
    printf ("SKIP: mel: there is no %s; set NPU_SHARED_DATA\n", path);
  return file;
}

/* The samples of jfk.wav, NULL when it is missing. */
static float *
read_jfk (void)
{
  FILE *file = open_data ("jfk.wav");
  int16_t *raw;
  float *samples;
  int i;

  if (!file)
    return NULL;
  raw = malloc (JFK_SAMPLES * sizeof (*raw));
  samples = malloc (JFK_SAMPLES * sizeof (*samples));
  /* the samples are the last chunk of this file */
  ck_assert_int_eq (fseek (file, -(long) (JFK_SAMPLES * sizeof (*raw)),
          SEEK_END), 0);
  ck_assert_uint_eq (fread (raw, sizeof (*raw), JFK_SAMPLES, file),
      JFK_SAMPLES);
  fclose (file);
  for (i = 0; i < JFK_SAMPLES; i++)
    samples[i] = raw[i] / 32768.f;
  free (raw);
  return samples;
}

/* --- values --- */

START_TEST (filters_equal_the_formula)
{
  static const unsigned bands[] = { 80, 128 };
  double expected[NPU_MEL_BINS];
  float weights[NPU_MEL_BINS];
  int i;

  for (i = 0; i < 2; i++) {
    NpuMel *mel = create (bands[i]);
    unsigned band, bin;

    for (band = 0; band < bands[i]; band++) {
      reference_filter (bands[i], band, expected);
      npu_mel_filter (mel, band, weights);
      for (bin = 0; bin < NPU_MEL_BINS; bin++)
        ck_assert_double_eq_tol (weights[bin], expected[bin], 1e-8);
    }
    npu_mel_free (mel);
  }
}
END_TEST

START_TEST (filters_equal_those_stored_with_a_model)
{
  FILE *file = open_data ("for-tests-ggml-base.en.bin");
  float stored[NPU_MEL_BINS], weights[NPU_MEL_BINS];
  int32_t header[14];
  NpuMel *mel;
  unsigned band, bin;

  if (!file)
    return;
  ck_assert_uint_eq (fread (header, sizeof (header), 1, file), 1);
  ck_assert_int_eq (header[12], 80);
  ck_assert_int_eq (header[13], NPU_MEL_BINS);
  mel = create (80);
  for (band = 0; band < 80; band++) {
    ck_assert_uint_eq (fread (stored, sizeof (stored), 1, file), 1);
    npu_mel_filter (mel, band, weights);
    for (bin = 0; bin < NPU_MEL_BINS; bin++)
      ck_assert_float_eq_tol (weights[bin], stored[bin], 1e-8);
  }
  npu_mel_free (mel);
  fclose (file);
}
END_TEST

START_TEST (speech_equals_the_stored_table)
{
  float *samples = read_jfk ();
  double max = -10;
  NpuMel *mel;
  float *values;
  size_t frames, i;
  int row, band;

  if (!samples)
    return;
  mel = create (JFK_BANDS);
  values = all_frames (mel, samples, JFK_SAMPLES, &frames);
  ck_assert_uint_eq (frames, JFK_FRAMES);
  for (i = 0; i < frames * JFK_BANDS; i++)
    max = fmax (max, values[i]);
  for (row = 0; row < JFK_ROWS; row++)
    for (band = 0; band < JFK_BANDS; band++)
      ck_assert_double_eq_tol (clamp (values[row * JFK_EVERY * JFK_BANDS
                  + band], max), jfk_table[row][band], SPEECH_BOUND);
  free (values);
  free (samples);
  npu_mel_free (mel);
}
END_TEST

START_TEST (speech_equals_the_reference)
{
  float *samples = read_jfk ();

  if (!samples)
    return;
  assert_like_reference ("speech", samples, JFK_SAMPLES, SPEECH_BOUND);
  free (samples);
}
END_TEST

#define SIGNAL_SAMPLES 12345

START_TEST (noise_equals_the_reference)
{
  float samples[SIGNAL_SAMPLES];
  float gain = powf (10, -(float) _i);
  int i;

  for (i = 0; i < SIGNAL_SAMPLES; i++)
    samples[i] = gain * random_sample ();
  assert_like_reference ("noise", samples, SIGNAL_SAMPLES, ANY_BOUND);
}
END_TEST

START_TEST (sine_equals_the_reference)
{
  float samples[SIGNAL_SAMPLES];
  double hertz = _i == 0 ? 1000 : 20 + random_number () % 7900;
  int i;

  printf ("%g Hz\n", hertz);
  for (i = 0; i < SIGNAL_SAMPLES; i++)
    samples[i] = sin (2 * M_PI * hertz * i / NPU_MEL_RATE);
  assert_like_reference ("sine", samples, SIGNAL_SAMPLES, ANY_BOUND);
}
END_TEST

START_TEST (sine_that_begins_late_equals_the_reference)
{
  float samples[SIGNAL_SAMPLES];
  double hertz = 20 + random_number () % 7900;
  int i;

  printf ("%g Hz\n", hertz);
  for (i = 0; i < SIGNAL_SAMPLES; i++)
    samples[i] = i < 6000 ? 1e-4f * random_sample () :
        sin (2 * M_PI * hertz * i / NPU_MEL_RATE);
  assert_like_reference ("late sine", samples, SIGNAL_SAMPLES, ANY_BOUND);
}
END_TEST

START_TEST (impulse_equals_the_reference)
{
  static float samples[SIGNAL_SAMPLES];
  int position = random_number () % SIGNAL_SAMPLES;

  memset (samples, 0, sizeof (samples));
  samples[_i == 0 ? 0 : position] = 1;
  assert_like_reference ("impulse", samples, SIGNAL_SAMPLES, ANY_BOUND);
}
END_TEST

START_TEST (click_in_faint_noise_equals_the_reference)
{
  float samples[SIGNAL_SAMPLES];
  int i;

  for (i = 0; i < SIGNAL_SAMPLES; i++)
    samples[i] = 1e-5f * random_sample ();
  samples[random_number () % SIGNAL_SAMPLES] = -1;
  assert_like_reference ("click", samples, SIGNAL_SAMPLES, ANY_BOUND);
}
END_TEST

START_TEST (square_equals_the_reference)
{
  float samples[SIGNAL_SAMPLES];
  int half = 1 + random_number () % 200;
  int i;

  printf ("half a period: %d samples\n", half);
  for (i = 0; i < SIGNAL_SAMPLES; i++)
    samples[i] = i / half % 2 ? -1 : 1;
  assert_like_reference ("square", samples, SIGNAL_SAMPLES, ANY_BOUND);
}
END_TEST

START_TEST (constant_equals_the_reference)
{
  float samples[SIGNAL_SAMPLES];
  int i;

  for (i = 0; i < SIGNAL_SAMPLES; i++)
    samples[i] = _i == 0 ? 1 : 1e-3f;
  assert_like_reference ("constant", samples, SIGNAL_SAMPLES, ANY_BOUND);
}
END_TEST

START_TEST (silence_is_the_floor)
{
  NpuMel *mel = create (80);
  float frame[80];
  int i;

  ck_assert_uint_eq (npu_mel_push_silence (mel, 400), 400);
  ck_assert_uint_eq (npu_mel_pull (mel, frame, 1), 1);
  for (i = 0; i < 80; i++)
    ck_assert_float_eq_tol (frame[i], -10, 1e-5);
  npu_mel_free (mel);
}
END_TEST

/* --- lengths and pieces --- */

static const int short_lengths[] = {
  0, 1, 2, 159, 160, 161, 198, 199, 200, 201, 319, 320, 321, 359, 360, 361,
  399, 400, 401, 480, 799, 800
};

START_TEST (short_streams_equal_the_reference)
{
  float samples[800];
  int i;

  for (i = 0; i < 800; i++)
    samples[i] = random_sample ();
  assert_like_reference ("short", samples, short_lengths[_i], ANY_BOUND);
}
END_TEST

/* Push in pieces of @piece samples, or of random sizes when it is 0, and pull
 * now and then. */
static float *
frames_of_pieces (NpuMel * mel, const float *samples, size_t count,
    size_t piece)
{
  unsigned bands = npu_mel_bands (mel);
  size_t room = count / 160, done = 0, pushed = 0;
  float *values = malloc (room * bands * sizeof (float));

  npu_mel_reset (mel);
  while (pushed < count) {
    size_t size = piece ? piece : random_number () % 2000;
    size_t taken;

    if (size > count - pushed)
      size = count - pushed;
    taken = npu_mel_push (mel, samples + pushed, size);
    ck_assert (taken == size || npu_mel_ready (mel) > 0);
    pushed += taken;
    if (taken < size || random_number () % 4 == 0)
      done += npu_mel_pull (mel, values + done * bands,
          random_number () % 20 < room - done ? random_number () % 20 :
          room - done);
  }
  npu_mel_finish (mel);
  while (npu_mel_ready (mel) > 0)
    done += npu_mel_pull (mel, values + done * bands, 1);
  ck_assert_uint_eq (done, room);
  return values;
}

START_TEST (pieces_of_any_size_give_the_same_bits)
{
  static const size_t pieces[] = { 1, 159, 160, 161, 4096, 0, 0, 0, 0, 0 };
  static float samples[50000];
  NpuMel *mel = create (_i % 2 ? 80 : 128);
  float *expected, *values;
  size_t frames, i;

  for (i = 0; i < 50000; i++)
    samples[i] = random_sample ();
  expected = all_frames (mel, samples, 50000, &frames);
  values = frames_of_pieces (mel, samples, 50000, pieces[_i]);
  ck_assert_int_eq (memcmp (values, expected,
          frames * npu_mel_bands (mel) * sizeof (float)), 0);
  free (values);
  free (expected);
  npu_mel_free (mel);
}
END_TEST

START_TEST (objects_give_the_same_bits)
{
  float samples[4000];
  NpuMel *one = create (80), *two = create (80);
  float *of_one, *of_two;
  size_t frames;
  int i;

  for (i = 0; i < 4000; i++)
    samples[i] = random_sample ();
  of_one = all_frames (one, samples, 4000, &frames);
  of_two = all_frames (two, samples, 4000, &frames);
  ck_assert_int_eq (memcmp (of_one, of_two, frames * 80 * sizeof (float)), 0);
  free (of_one);
  free (of_two);
  npu_mel_free (one);
  npu_mel_free (two);
}
END_TEST

START_TEST (silence_equals_zeros)
{
  float samples[3000] = { 0 };
  float values[18 * 80];
  NpuMel *mel = create (80);
  float *expected;
  size_t frames;
  int i;

  for (i = 0; i < 1000; i++) {
    samples[i] = random_sample ();
    samples[2000 + i] = random_sample ();
  }
  expected = all_frames (mel, samples, 3000, &frames);
  ck_assert_uint_eq (frames, 18);
  npu_mel_reset (mel);
  npu_mel_push (mel, samples, 1000);
  ck_assert_uint_eq (npu_mel_push_silence (mel, 1000), 1000);
  npu_mel_push (mel, samples + 2000, 1000);
  npu_mel_finish (mel);
  ck_assert_uint_eq (npu_mel_pull (mel, values, 100), 18);
  ck_assert_int_eq (memcmp (values, expected, sizeof (values)), 0);
  free (expected);
  npu_mel_free (mel);
}
END_TEST

START_TEST (frames_come_as_early_as_they_can)
{
  float samples[1000] = { 0 };
  NpuMel *mel = create (80);
  size_t pushed;

  for (pushed = 1; pushed <= 1000; pushed++) {
    size_t ready = pushed < NPU_MEL_LOOK_AHEAD ? 0 :
        (pushed - NPU_MEL_LOOK_AHEAD) / NPU_MEL_HOP + 1;

    npu_mel_push (mel, samples, 1);
    ck_assert_uint_eq (npu_mel_ready (mel), ready);
  }
  npu_mel_free (mel);
}
END_TEST

START_TEST (push_takes_no_more_than_there_is_room_for)
{
  static float samples[100000];
  NpuMel *mel = create (80);
  float frame[80];
  size_t taken = npu_mel_push (mel, samples, 100000);

  ck_assert_uint_lt (taken, 100000);
  ck_assert_uint_ge (taken, NPU_MEL_WINDOW);
  ck_assert_uint_eq (npu_mel_push (mel, samples, 1), 0);
  ck_assert_uint_eq (npu_mel_push_silence (mel, 1), 0);
  ck_assert_uint_eq (npu_mel_samples (mel), taken);
  ck_assert_uint_eq (npu_mel_pull (mel, frame, 1), 1);
  ck_assert_uint_eq (npu_mel_push (mel, samples, 1000), NPU_MEL_HOP);
  npu_mel_finish (mel);
  ck_assert_uint_eq (npu_mel_ready (mel), (taken + NPU_MEL_HOP) / 160 - 1);
  npu_mel_free (mel);
}
END_TEST

START_TEST (nothing_is_taken_behind_the_end)
{
  float samples[400] = { 0 };
  NpuMel *mel = create (80);

  npu_mel_push (mel, samples, 400);
  npu_mel_finish (mel);
  npu_mel_finish (mel);
  ck_assert_uint_eq (npu_mel_push (mel, samples, 400), 0);
  ck_assert_uint_eq (npu_mel_push_silence (mel, 400), 0);
  ck_assert_uint_eq (npu_mel_ready (mel), 2);
  npu_mel_reset (mel);
  ck_assert_uint_eq (npu_mel_ready (mel), 0);
  ck_assert_uint_eq (npu_mel_samples (mel), 0);
  ck_assert_uint_eq (npu_mel_push (mel, samples, 400), 400);
  npu_mel_free (mel);
}
END_TEST

/* --- bad input --- */

START_TEST (samples_that_are_no_number_are_silent_and_counted)
{
  static const float bad[] = { NAN, -NAN, INFINITY, -INFINITY, 3e38f, -2e15f };
  float samples[8000], mended[8000];
  NpuMel *mel = create (80);
  float *values, *expected;
  size_t frames, i;

  for (i = 0; i < 8000; i++)
    samples[i] = mended[i] = random_sample ();
  for (i = 0; i < 6; i++) {
    samples[i * 1300] = bad[i];
    mended[i * 1300] = 0;
  }
  expected = all_frames (mel, mended, 8000, &frames);
  ck_assert_uint_eq (npu_mel_unusable_samples (mel), 0);
  values = all_frames (mel, samples, 8000, &frames);
  ck_assert_uint_eq (npu_mel_unusable_samples (mel), 6);
  ck_assert_int_eq (memcmp (values, expected, frames * 80 * sizeof (float)),
      0);
  npu_mel_reset (mel);
  ck_assert_uint_eq (npu_mel_unusable_samples (mel), 0);
  free (values);
  free (expected);
  npu_mel_free (mel);
}
END_TEST

START_TEST (the_loudest_and_faintest_samples_give_finite_frames)
{
  static const float gains[] = { 1e15f, 1e10f, 1e-15f, 1e-30f, 1e-45f };
  float samples[1600];
  NpuMel *mel = create (128);
  float *values;
  size_t frames, i;

  for (i = 0; i < 1600; i++)
    samples[i] = gains[_i] * (i / 20 % 2 ? -1 : 1);
  values = all_frames (mel, samples, 1600, &frames);
  ck_assert_uint_eq (npu_mel_unusable_samples (mel), 0);
  for (i = 0; i < frames * 128; i++)
    ck_assert (isfinite (values[i]) && values[i] >= -10.0001f);
  free (values);
  npu_mel_free (mel);
}
END_TEST

START_TEST (other_numbers_of_bands_are_refused)
{
  static const unsigned wrong[] = { 0, 1, 40, 79, 81, 127, 129, 4096 };
  NpuError error;
  NpuMel *mel;
  int i;

  for (i = 0; i < 8; i++) {
    mel = (NpuMel *) & error;
    ck_assert_int_eq (npu_mel_create (wrong[i], &mel, &error), NPU_EINVAL);
    ck_assert_ptr_null (mel);
    ck_assert_ptr_nonnull (strstr (error.message, "80 or 128"));
    ck_assert_int_eq (npu_mel_create (wrong[i], &mel, NULL), NPU_EINVAL);
  }
  npu_mel_free (NULL);
}
END_TEST

/* --- memory and threads --- */

START_TEST (stream_does_not_allocate)
{
  float samples[1000], frames[10 * 80];
  NpuMel *mel = create (80);
  long before;
  int i;

  for (i = 0; i < 1000; i++)
    samples[i] = random_sample ();
  before = allocations_so_far ();
  for (i = 0; i < 1000; i++) {
    npu_mel_push (mel, samples, 1000);
    npu_mel_pull (mel, frames, 10);
  }
  npu_mel_finish (mel);
  npu_mel_pull (mel, frames, 10);
  npu_mel_reset (mel);
  ck_assert_int_eq (allocations_so_far () - before, 0);
  npu_mel_free (mel);
}
END_TEST

static void *
create_often (void *unused)
{
  int i;

  for (i = 0; i < 50; i++)
    npu_mel_free (create (i % 2 ? 80 : 128));
  return NULL;
}

START_TEST (threads_can_create_at_the_same_time)
{
  pthread_t threads[4];
  int i;

  for (i = 0; i < 4; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, create_often, NULL),
        0);
  for (i = 0; i < 4; i++)
    pthread_join (threads[i], NULL);
}
END_TEST

static TCase *
add_case (Suite * suite, const char *name)
{
  TCase *tests = tcase_create (name);

  tcase_add_checked_fixture (tests, seed_random, NULL);
  suite_add_tcase (suite, tests);
  return tests;
}

int
main (void)
{
  Suite *suite = suite_create ("mel");
  TCase *values = add_case (suite, "values");
  TCase *pieces = add_case (suite, "pieces");
  TCase *bad = add_case (suite, "bad input");
  TCase *memory = add_case (suite, "memory and threads");

  tcase_add_test (values, filters_equal_the_formula);
  tcase_add_test (values, filters_equal_those_stored_with_a_model);
  tcase_add_test (values, speech_equals_the_stored_table);
  tcase_add_test (values, speech_equals_the_reference);
  tcase_add_loop_test (values, noise_equals_the_reference, 0, 5);
  tcase_add_loop_test (values, sine_equals_the_reference, 0, 5);
  tcase_add_loop_test (values, sine_that_begins_late_equals_the_reference,
      0, 5);
  tcase_add_loop_test (values, impulse_equals_the_reference, 0, 3);
  tcase_add_loop_test (values, click_in_faint_noise_equals_the_reference,
      0, 3);
  tcase_add_loop_test (values, square_equals_the_reference, 0, 5);
  tcase_add_loop_test (values, constant_equals_the_reference, 0, 2);
  tcase_add_test (values, silence_is_the_floor);

  tcase_add_loop_test (pieces, short_streams_equal_the_reference, 0,
      sizeof (short_lengths) / sizeof (short_lengths[0]));
  tcase_add_loop_test (pieces, pieces_of_any_size_give_the_same_bits, 0, 10);
  tcase_add_test (pieces, objects_give_the_same_bits);
  tcase_add_test (pieces, silence_equals_zeros);
  tcase_add_test (pieces, frames_come_as_early_as_they_can);
  tcase_add_test (pieces, push_takes_no_more_than_there_is_room_for);
  tcase_add_test (pieces, nothing_is_taken_behind_the_end);

  tcase_add_test (bad, samples_that_are_no_number_are_silent_and_counted);
  tcase_add_loop_test (bad,
      the_loudest_and_faintest_samples_give_finite_frames, 0, 5);
  tcase_add_test (bad, other_numbers_of_bands_are_refused);

  tcase_add_test (memory, stream_does_not_allocate);
  tcase_add_test (memory, threads_can_create_at_the_same_time);

  return run_suite (suite);
}
