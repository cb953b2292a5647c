/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The encoder's operations on every device, against straightforward loops in
 * double precision within the device's arithmetic, and bit for bit between
 * batches, numbers of threads and devices where bits are promised. The loop's
 * index is the device's in npu_device_names().
 */
#include "devices/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES 2
#define ROWS_MAX 150

static const char *
device_name (int index)
{
  return npu_device_names ()[index];
}

/* Of one to four operations behind one another. */
static double
limit_of (const Fixture * fixture)
{
  return npu_program_precision (fixture->program) == NPU_PRECISION_FLOAT32
      ? 1e-5 : 1.2e-2;
}

/* ----------------------------------------------------------- reference */

static double
gelu (double x)
{
  return 0.5 * x * (1.0 + erf (x / sqrt (2.0)));
}

/* output (rows x outputs) = input * weight^T + bias */
static void
multiply (const Fixture * fixture, const double *input, uint32_t rows,
    uint32_t weight, uint32_t bias, double *output)
{
  uint32_t outputs = fixture_tensors[weight].rows;
  uint32_t inputs = fixture_tensors[weight].columns;

  for (uint32_t r = 0; r < rows; r++)
    for (uint32_t o = 0; o < outputs; o++) {
      double sum = bias == NPU_NO_TENSOR ? 0.0 : fixture->weights[bias][o];

      for (uint32_t i = 0; i < inputs; i++)
        sum += input[r * inputs + i]
            * fixture->weights[weight][o * inputs + i];
      output[r * outputs + o] = sum;
    }
}

static void
normalise (const Fixture * fixture, double *values, uint32_t rows)
{
  for (uint32_t r = 0; r < rows; r++) {
    double *row = values + r * WIDTH, mean = 0.0, variance = 0.0;

    for (uint32_t i = 0; i < WIDTH; i++)
      mean += row[i] / WIDTH;
    for (uint32_t i = 0; i < WIDTH; i++)
      variance += (row[i] - mean) * (row[i] - mean) / WIDTH;
    for (uint32_t i = 0; i < WIDTH; i++)
      row[i] = (row[i] - mean) / sqrt (variance + 1e-5)
          * fixture->weights[NORM_SCALE][i] + fixture->weights[NORM_SHIFT][i];
  }
}

/* One head's output of one row, from rows of query, key, value side by side. */
static void
attend (const double *states, uint32_t rows, uint32_t row, uint32_t head,
    double *output)
{
  const uint32_t size = WIDTH / HEADS;
  const double *query = states + row * 3 * WIDTH + head * size;
  double scores[ROWS_MAX], sum = 0.0;

  memset (output, 0, size * sizeof (*output));
  for (uint32_t r = 0; r < rows; r++) {
    const double *key = states + r * 3 * WIDTH + WIDTH + head * size;

    scores[r] = 0.0;
    for (uint32_t i = 0; i < size; i++)
      scores[r] += query[i] * key[i] / sqrt (size);
    scores[r] = exp (scores[r]);
    sum += scores[r];
  }
  for (uint32_t r = 0; r < rows; r++)
    for (uint32_t i = 0; i < size; i++)
      output[i] += scores[r] / sum
          * states[r * 3 * WIDTH + 2 * WIDTH + head * size + i];
}

/* A convolution with kernel 3 and padding 1, then GELU. */
static void
convolve (const Fixture * fixture, const double *input, uint32_t frames,
    uint32_t stride, uint32_t weight, double *output)
{
  uint32_t channels = fixture_tensors[weight].columns / 3;

  for (uint32_t t = 0; t < frames / stride; t++)
    for (uint32_t o = 0; o < WIDTH; o++) {
      double sum = fixture->weights[weight + 1][o];

      for (int64_t tap = 0; tap < 3; tap++) {
        int64_t frame = (int64_t) t * stride + tap - 1;

        if (frame < 0 || frame >= frames)
          continue;
        for (uint32_t c = 0; c < channels; c++)
          sum += input[frame * channels + c]
              * fixture->weights[weight][(o * 3 + tap) * channels + c];
      }
      output[t * WIDTH + o] = gelu (sum);
    }
}

static double *
doubles_of (const NpuView * view, uint32_t width)
{
  const float *values = view_host (view);
  double *doubles = calloc ((size_t) view->rows * width, sizeof (*doubles));

  for (uint32_t i = 0; i < view->rows * width; i++)
    doubles[i] = values[i];
  return doubles;
}

/* -------------------------------------------------------------- streams */

/* Rows on their way through a list of operations. */
typedef struct
{
  NpuView input;                /* INPUTS wide */
  NpuView states;               /* WIDTH */
  NpuView wide;                 /* 3 WIDTH */
  NpuView narrow;               /* WIDTH */
  NpuView output;               /* rows of WIDTH */
} Stream;

static Stream
create_stream (Fixture * fixture, uint32_t rows)
{
  return (Stream) {
    .input = fixture_random_rows (fixture, rows, INPUTS),
    .states = fixture_activations (fixture, rows, WIDTH),
    .wide = fixture_activations (fixture, rows, 3 * WIDTH),
    .narrow = fixture_activations (fixture, rows, WIDTH),
    .output = fixture_rows (fixture, rows, WIDTH),
  };
}

static void
free_stream (Stream * stream)
{
  fixture_free_view (&stream->input);
  fixture_free_view (&stream->states);
  fixture_free_view (&stream->wide);
  fixture_free_view (&stream->narrow);
  fixture_free_view (&stream->output);
}

START_TEST (gemm_with_bias_gelu_and_residual_equals_the_reference)
{
  static const uint32_t rows[] = { 1, 63, 64, 65, 128, 150 };
  Fixture fixture;

  fixture_open (&fixture, device_name (_i), 2, NULL);
  for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
    Stream stream = create_stream (&fixture, rows[i]);
    NpuOperation list[] = {
      gemm_of (&stream.input, &stream.states, INPUT_WEIGHT, INPUT_BIAS),
      gemm_of (&stream.states, &stream.narrow, SQUARE_WEIGHT, NPU_NO_TENSOR),
      norm_of (&stream.narrow, &stream.output),
    };
    double *input = doubles_of (&stream.input, INPUTS);
    double states[ROWS_MAX * WIDTH], reference[ROWS_MAX * WIDTH];

    list[1].gemm.gelu = true;
    list[1].gemm.residual = &stream.states;
    ck_assert_int_eq (fixture_run (&fixture, list, 3), NPU_OK);
    download (&stream.output);
    multiply (&fixture, input, rows[i], INPUT_WEIGHT, INPUT_BIAS, states);
    multiply (&fixture, states, rows[i], SQUARE_WEIGHT, NPU_NO_TENSOR,
        reference);
    for (uint32_t j = 0; j < rows[i] * WIDTH; j++)
      reference[j] = gelu (reference[j]) + states[j];
    normalise (&fixture, reference, rows[i]);
    assert_close (view_host (&stream.output), reference, rows[i] * WIDTH,
        limit_of (&fixture));
    free (input);
    free_stream (&stream);
  }
  fixture_close (&fixture);
}

END_TEST

static NpuOperation
attention_of (const NpuAttentionItem * item)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {.items = item,.form = NPU_ATTENTION_FULL,.width = WIDTH,
        .heads = HEADS},
  };
}

START_TEST (full_attention_equals_the_reference)
{
  static const uint32_t rows[] = { 1, 5, 64, 71, 150 };
  Fixture fixture;

  fixture_open (&fixture, device_name (_i), 2, NULL);
  for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
    Stream stream = create_stream (&fixture, rows[i]);
    NpuAttentionItem item = {.input = stream.wide,.output = stream.narrow };
    NpuOperation list[] = {
      gemm_of (&stream.input, &stream.states, INPUT_WEIGHT, INPUT_BIAS),
      gemm_of (&stream.states, &stream.wide, HEADS_WEIGHT, HEADS_BIAS),
      attention_of (&item), norm_of (&stream.narrow, &stream.output),
    };
    double *input = doubles_of (&stream.input, INPUTS);
    double states[ROWS_MAX * WIDTH], wide[ROWS_MAX * 3 * WIDTH];
    double reference[ROWS_MAX * WIDTH];

    ck_assert_int_eq (fixture_run (&fixture, list, 4), NPU_OK);
    download (&stream.output);
    multiply (&fixture, input, rows[i], INPUT_WEIGHT, INPUT_BIAS, states);
    multiply (&fixture, states, rows[i], HEADS_WEIGHT, HEADS_BIAS, wide);
    for (uint32_t r = 0; r < rows[i]; r++)
      for (uint32_t head = 0; head < HEADS; head++)
        attend (wide, rows[i], r, head, reference + r * WIDTH
            + head * (WIDTH / HEADS));
    normalise (&fixture, reference, rows[i]);
    assert_close (view_host (&stream.output), reference, rows[i] * WIDTH,
        limit_of (&fixture));
    free (input);
    free_stream (&stream);
  }
  fixture_close (&fixture);
}

END_TEST

typedef struct
{
  uint32_t positions;
  uint32_t frames[2];           /* in each range */
} StemCase;

/* The normalised window, 2 * positions frames. */
static void
reference_window (const NpuView * frames, const StemCase * stem,
    double *window)
{
  uint32_t valid = (stem->frames[0] + stem->frames[1]) * BANDS;
  uint32_t all = 2 * stem->positions * BANDS, count = 0;
  double maximum = valid < all ? -10.0 : -INFINITY;

  for (int range = 0; range < 2; range++)
    for (uint32_t i = 0; i < stem->frames[range] * BANDS; i++)
      window[count++] = ((const float *) view_host (&frames[range]))[i];
  for (; count < all; count++)
    window[count] = -10.0;
  for (uint32_t i = 0; i < valid; i++)
    maximum = fmax (maximum, window[i]);
  for (uint32_t i = 0; i < all; i++)
    window[i] = (fmax (window[i], maximum - 8.0) + 4.0) / 4.0;
}

START_TEST (stem_equals_normalisation_and_both_convolutions)
{
  static const StemCase cases[] = {
    {POSITIONS_MAX, {2 * POSITIONS_MAX, 0}}, {POSITIONS_MAX, {33, 47}},
    {40, {20, 60}}, {1, {1, 0}}, {1, {2, 0}}, {33, {0, 31}}, {25, {0, 0}},
  };
  Fixture fixture;

  fixture_open (&fixture, device_name (_i), 2, NULL);
  for (size_t i = 0; i < sizeof (cases) / sizeof (cases[0]); i++) {
    uint32_t positions = cases[i].positions;
    NpuView frames[2], states, output;
    NpuStemItem item;
    NpuOperation list[] = {
      {.type = NPU_OPERATION_CONV1D_STEM,.batch = 1,.stem = {&item, BANDS,
            WIDTH, CONV1_WEIGHT, CONV1_BIAS, CONV2_WEIGHT, CONV2_BIAS,
            POSITIONS}}, norm_of (&states, &output),
    };
    double window[2 * POSITIONS_MAX * BANDS];
    double hidden[2 * POSITIONS_MAX * WIDTH];
    double reference[POSITIONS_MAX * WIDTH];

    for (int range = 0; range < 2; range++) {
      frames[range] = fixture_random_rows (&fixture,
          cases[i].frames[range] + 1, BANDS);
      item.frames[range] = frames[range];
      item.frames[range].rows = cases[i].frames[range];
    }
    item.staged = fixture_view (&fixture, npu_stem_scratch_size
        (fixture.device, positions, BANDS, WIDTH), 1);
    states = item.output = fixture_activations (&fixture, positions, WIDTH);
    output = fixture_rows (&fixture, positions, WIDTH);
    ck_assert_int_eq (fixture_run (&fixture, list, 2), NPU_OK);
    download (&output);
    reference_window (frames, &cases[i], window);
    convolve (&fixture, window, 2 * positions, 1, CONV1_WEIGHT, hidden);
    convolve (&fixture, hidden, 2 * positions, 2, CONV2_WEIGHT, reference);
    for (uint32_t j = 0; j < positions * WIDTH; j++)
      reference[j] += fixture.weights[POSITIONS][j];
    normalise (&fixture, reference, positions);
    assert_close (view_host (&output), reference, positions * WIDTH,
        limit_of (&fixture));
    fixture_free_view (&frames[0]);
    fixture_free_view (&frames[1]);
    fixture_free_view (&item.staged);
    fixture_free_view (&states);
    fixture_free_view (&output);
  }
  fixture_close (&fixture);
}

END_TEST

/* ----------------------------------------------------------------- bits */

#define STREAMS 3

/* Runs @count streams together through gemm, attention and norm. */
static void
run_streams (Fixture * fixture, Stream * streams, uint32_t count)
{
  NpuView input[STREAMS] = { {NULL} }, states[STREAMS] = { {NULL} };
  NpuView wide[STREAMS] = { {NULL} }, narrow[STREAMS] = { {NULL} };
  NpuView output[STREAMS] = { {NULL} };
  NpuAttentionItem items[STREAMS] = { {.position = 0} };
  NpuOperation list[] = {
    gemm_of (input, states, INPUT_WEIGHT, INPUT_BIAS),
    gemm_of (states, wide, HEADS_WEIGHT, HEADS_BIAS), attention_of (items),
    gemm_of (narrow, states, SQUARE_WEIGHT, NPU_NO_TENSOR),
    norm_of (states, output),
  };

  for (uint32_t s = 0; s < count; s++) {
    input[s] = streams[s].input;
    states[s] = streams[s].states;
    wide[s] = streams[s].wide;
    narrow[s] = streams[s].narrow;
    output[s] = streams[s].output;
    items[s].input = wide[s];
    items[s].output = narrow[s];
  }
  list[3].gemm.residual = states;
  for (int i = 0; i < 5; i++)
    list[i].batch = count;
  ck_assert_int_eq (fixture_run (fixture, list, 5), NPU_OK);
  for (uint32_t s = 0; s < count; s++)
    download (&output[s]);
}

START_TEST (a_batch_gives_the_same_bits_as_single_views)
{
  static const uint32_t rows[STREAMS] = { 70, 1, 131 };
  Fixture fixture;
  Stream together[STREAMS], single;

  fixture_open (&fixture, device_name (_i), 2, NULL);
  for (int s = 0; s < STREAMS; s++)
    together[s] = create_stream (&fixture, rows[s]);
  run_streams (&fixture, together, STREAMS);
  for (int s = 0; s < STREAMS; s++) {
    single = create_stream (&fixture, rows[s]);
    memcpy (view_host (&single.input), view_host (&together[s].input),
        rows[s] * INPUTS * sizeof (float));
    upload (&single.input);
    run_streams (&fixture, &single, 1);
    ck_assert_mem_eq (view_host (&single.output),
        view_host (&together[s].output), rows[s] * WIDTH * sizeof (float));
    free_stream (&single);
    free_stream (&together[s]);
  }
  fixture_close (&fixture);
}

END_TEST

START_TEST (bits_are_the_same_for_any_number_of_threads)
{
  static const uint32_t threads[] = { 1, 2, 5 };
  float input[ROWS_MAX * INPUTS], expected[ROWS_MAX * WIDTH];

  for (int i = 0; i < ROWS_MAX * INPUTS; i++)
    input[i] = random_float ();
  for (int i = 0; i < 3; i++) {
    Fixture fixture;
    Stream stream;

    fixture_open (&fixture, device_name (_i), threads[i], NULL);
    stream = create_stream (&fixture, ROWS_MAX);
    memcpy (view_host (&stream.input), input, sizeof (input));
    upload (&stream.input);
    run_streams (&fixture, &stream, 1);
    if (i == 0)
      memcpy (expected, view_host (&stream.output), sizeof (expected));
    ck_assert_mem_eq (view_host (&stream.output), expected,
        sizeof (expected));
    free_stream (&stream);
    fixture_close (&fixture);
  }
}

END_TEST

#define TILES 21

/* Returns what @kernel makes of @input on a device; the caller frees it. */
static char *
run_kernel (const char *name, NpuTileKernel kernel, const char *input)
{
  size_t output_size = TILES * npu_tile_output_size (kernel);
  char *result = malloc (output_size);
  Fixture fixture;
  Tiles tiles;

  fixture_open (&fixture, name, 3, NULL);
  create_tiles (&fixture, &tiles, kernel, TILES);
  memcpy (view_host (&tiles.input), input,
      TILES * npu_tile_input_size (kernel));
  upload (&tiles.input);
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  download (&tiles.output);
  memcpy (result, view_host (&tiles.output), output_size);
  free_tiles (&tiles);
  fixture_close (&fixture);
  return result;
}

START_TEST (tile_kernels_give_the_same_bits_on_every_device)
{
  for (int kernel = 0; kernel < NPU_TILES; kernel++) {
    size_t input_size = TILES * npu_tile_input_size ((NpuTileKernel) kernel);
    char *input = malloc (input_size), *expected, *result;

    for (size_t i = 0; i < input_size; i++)
      input[i] = (char) random_below (256);
    /* The upper bytes of bf16: no infinities, no NaN. */
    for (size_t i = 1; kernel >= NPU_TILE_ATTENTION_BF16 && i < input_size;
        i += 2)
      input[i] = (char) (0x3f ^ (random_below (2) << 7));
    expected = run_kernel (device_name (0), (NpuTileKernel) kernel, input);
    result = run_kernel (device_name (_i), (NpuTileKernel) kernel, input);
    ck_assert_mem_eq (result, expected,
        TILES * npu_tile_output_size ((NpuTileKernel) kernel));
    free (input);
    free (expected);
    free (result);
  }
}

END_TEST

START_TEST (operations_that_a_device_lacks_are_refused_by_name)
{
  static const char *const names[NPU_OPERATIONS] = {
    [NPU_OPERATION_CACHE_STORE] = "cache_store",
    [NPU_OPERATION_EMBED] = "embed",
    [NPU_OPERATION_VOCABULARY_TOP_K] = "vocabulary_top_k",
  };
  Fixture fixture;
  NpuError error;

  fixture_open (&fixture, device_name (_i), 1, NULL);
  for (int type = 0; type < NPU_OPERATIONS; type++) {
    NpuOperation operation = {.type = (NpuOperationType) type,.batch = 1 };

    if (npu_device_info (fixture.device)->operations & 1u << type)
      continue;
    ck_assert_ptr_nonnull (names[type]);
    ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
            &operation, 1, fixture.fence, &error), NPU_ENOTSUP);
    ck_assert_ptr_nonnull (strstr (error.message, names[type]));
    ck_assert_ptr_nonnull (strstr (error.message, device_name (_i)));
  }
  fixture_close (&fixture);
}

END_TEST

int
main (void)
{
  Suite *suite = suite_create ("device operations");
  TCase *tests = tcase_create ("operations");

  tcase_add_loop_test (tests,
      gemm_with_bias_gelu_and_residual_equals_the_reference, 0, DEVICES);
  tcase_add_loop_test (tests, full_attention_equals_the_reference, 0, DEVICES);
  tcase_add_loop_test (tests, stem_equals_normalisation_and_both_convolutions,
      0, DEVICES);
  tcase_add_loop_test (tests, a_batch_gives_the_same_bits_as_single_views, 0,
      DEVICES);
  tcase_add_loop_test (tests, bits_are_the_same_for_any_number_of_threads, 0,
      DEVICES);
  tcase_add_loop_test (tests, tile_kernels_give_the_same_bits_on_every_device,
      1, DEVICES);
  tcase_add_loop_test (tests,
      operations_that_a_device_lacks_are_refused_by_name, 1, DEVICES);
  suite_add_tcase (suite, tests);
  return fixture_main (suite);
}
