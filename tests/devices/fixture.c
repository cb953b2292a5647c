/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See fixture.h.
 */
#include "devices/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run-suite.h"

const NpuTensorDescription fixture_tensors[TENSORS] = {
  [INPUT_WEIGHT] = {NPU_TENSOR_MATRIX, WIDTH, INPUTS, "input.weight"},
  [INPUT_BIAS] = {NPU_TENSOR_VECTOR, 1, WIDTH, "input.bias"},
  [SQUARE_WEIGHT] = {NPU_TENSOR_MATRIX, WIDTH, WIDTH, "square.weight"},
  [HEADS_WEIGHT] = {NPU_TENSOR_MATRIX, 3 * WIDTH, WIDTH, "heads.weight"},
  [HEADS_BIAS] = {NPU_TENSOR_VECTOR, 1, 3 * WIDTH, "heads.bias"},
  [NORM_SCALE] = {NPU_TENSOR_VECTOR, 1, WIDTH, "norm.scale"},
  [NORM_SHIFT] = {NPU_TENSOR_VECTOR, 1, WIDTH, "norm.shift"},
  [CONV1_WEIGHT] = {NPU_TENSOR_MATRIX, WIDTH, 3 * BANDS, "conv1.weight"},
  [CONV1_BIAS] = {NPU_TENSOR_VECTOR, 1, WIDTH, "conv1.bias"},
  [CONV2_WEIGHT] = {NPU_TENSOR_MATRIX, WIDTH, 3 * WIDTH, "conv2.weight"},
  [CONV2_BIAS] = {NPU_TENSOR_VECTOR, 1, WIDTH, "conv2.bias"},
  [POSITIONS] = {NPU_TENSOR_TABLE, POSITIONS_MAX, WIDTH, "positions"},
};

static uint64_t process_seed = 0;

static NpuStatus
read_weights (void *user, uint32_t tensor, uint32_t first_row, uint32_t rows,
    float *out)
{
  const Fixture *fixture = user;
  size_t columns = fixture_tensors[tensor].columns;

  memcpy (out, fixture->weights[tensor] + first_row * columns,
      rows * columns * sizeof (float));
  return NPU_OK;
}

static void
create_weights (Fixture * fixture)
{
  uint64_t state = seed_random (process_seed);

  for (int i = 0; i < TENSORS; i++) {
    size_t count = (size_t) fixture_tensors[i].rows
        * fixture_tensors[i].columns;
    float size = fixture_tensors[i].kind == NPU_TENSOR_MATRIX
        ? 1.0f / sqrtf (fixture_tensors[i].columns) : 0.5f;

    fixture->weights[i] = malloc (count * sizeof (float));
    for (size_t j = 0; j < count; j++)
      fixture->weights[i][j] = size * random_float ();
  }
  random_resume (state);
}

void
fixture_open (Fixture * fixture, const char *name, uint32_t threads,
    const char *settings)
{
  NpuDeviceOptions options = {.threads = threads,.settings = settings };
  NpuProgramSource source = { TENSORS, fixture_tensors, read_weights, fixture };
  NpuError error = { NPU_OK, "" };

  memset (fixture, 0, sizeof (*fixture));
  npu_device_open (name, &options, &fixture->device, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  create_weights (fixture);
  npu_program_load (fixture->device, NPU_PRECISION_AUTO, &source,
      &fixture->program, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  npu_queue_create (fixture->device, &fixture->queue, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  npu_fence_create (fixture->device, &fixture->fence, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
}

void
fixture_close (Fixture * fixture)
{
  npu_queue_free (fixture->queue);
  npu_fence_free (fixture->fence);
  npu_program_unref (fixture->program);
  npu_device_unref (fixture->device);
  for (int i = 0; i < TENSORS; i++)
    free (fixture->weights[i]);
  memset (fixture, 0, sizeof (*fixture));
}

/* --------------------------------------------------------------- views */

NpuView
fixture_view (Fixture * fixture, size_t size, uint32_t rows)
{
  NpuView view = { NULL, 64 * random_below (3), rows };
  NpuError error = { NPU_OK, "" };

  npu_buffer_create (fixture->device, view.offset + size, 0, &view.buffer,
      &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  return view;
}

NpuView
fixture_rows (Fixture * fixture, uint32_t rows, uint32_t width)
{
  return fixture_view (fixture, sizeof (float) * rows * width, rows);
}

/* Filled with NaN, in any layout: what no operation wrote, none may read. */
NpuView
fixture_activations (Fixture * fixture, uint32_t rows, uint32_t width)
{
  NpuView view = fixture_view (fixture,
      npu_device_activation_size (fixture->device, rows, width), rows);

  memset (npu_buffer_host (view.buffer), 0xff, npu_buffer_size (view.buffer));
  upload (&view);
  return view;
}

void
fixture_free_view (NpuView * view)
{
  npu_buffer_unref (view->buffer);
  view->buffer = NULL;
}

void *
view_host (const NpuView * view)
{
  return (char *) npu_buffer_host (view->buffer) + view->offset;
}

void
upload (const NpuView * view)
{
  ck_assert_int_eq (npu_buffer_sync (view->buffer, NPU_SYNC_TO_DEVICE, 0,
          npu_buffer_size (view->buffer)), NPU_OK);
}

void
download (const NpuView * view)
{
  ck_assert_int_eq (npu_buffer_sync (view->buffer, NPU_SYNC_FROM_DEVICE, 0,
          npu_buffer_size (view->buffer)), NPU_OK);
}

NpuView
fixture_random_rows (Fixture * fixture, uint32_t rows, uint32_t width)
{
  NpuView view = fixture_rows (fixture, rows, width);
  float *values = view_host (&view);

  for (uint32_t i = 0; i < rows * width; i++)
    values[i] = random_float ();
  upload (&view);
  return view;
}

/* ---------------------------------------------------------- operations */

NpuOperation
gemm_of (const NpuView * input, const NpuView * output, uint32_t weight,
    uint32_t bias)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_GEMM,
    .batch = 1,
    .gemm = {.input = input,.output = output,.weight = weight,.bias = bias,
        .input_rows = weight == INPUT_WEIGHT},
  };
}

NpuOperation
norm_of (const NpuView * input, const NpuView * output)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_LAYER_NORM,
    .batch = 1,
    .layer_norm = {input, output, WIDTH, NORM_SCALE, NORM_SHIFT, true},
  };
}

void
fixture_submit (Fixture * fixture, const NpuOperation * operations,
    size_t count, NpuFence * fence)
{
  NpuError error = { NPU_OK, "" };

  npu_queue_submit (fixture->queue, fixture->program, operations, count,
      fence, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
}

NpuStatus
fixture_run (Fixture * fixture, const NpuOperation * operations, size_t count)
{
  fixture_submit (fixture, operations, count, fixture->fence);
  return npu_fence_wait (fixture->fence, NPU_WAIT_FOREVER, NULL);
}

/* --------------------------------------------------------------- tiles */

void
create_tiles (Fixture * fixture, Tiles * tiles, NpuTileKernel kernel,
    uint32_t count)
{
  tiles->input = fixture_view (fixture, count * npu_tile_input_size (kernel),
      count);
  tiles->output = fixture_view (fixture,
      count * npu_tile_output_size (kernel), count);
  tiles->operation = (NpuOperation) {
    .type = NPU_OPERATION_TILE,
    .batch = 1,
    .tile = {kernel, &tiles->input, &tiles->output},
  };
}

void
create_gelu (Fixture * fixture, Tiles * tiles, int8_t value)
{
  create_tiles (fixture, tiles, NPU_TILE_GELU_INT8, 1);
  memset (view_host (&tiles->input), value, TILE_BYTES);
  upload (&tiles->input);
}

void
free_tiles (Tiles * tiles)
{
  fixture_free_view (&tiles->input);
  fixture_free_view (&tiles->output);
}

NpuStatus
run_tiles (Fixture * fixture, Tiles * tiles)
{
  return fixture_run (fixture, &tiles->operation, 1);
}

int8_t
first_output (const Tiles * tiles)
{
  download (&tiles->output);
  return *(int8_t *) view_host (&tiles->output);
}

static NpuStatus
read_zeros (void *user, uint32_t tensor, uint32_t first_row, uint32_t rows,
    float *out)
{
  memset (out, 0, rows * *(const uint32_t *) user * sizeof (*out));
  return NPU_OK;
}

NpuStatus
load_vector (Fixture * fixture, uint32_t width, NpuPrecision precision,
    NpuProgram ** program)
{
  const NpuTensorDescription vector = { NPU_TENSOR_VECTOR, 1, width, "vector" };
  NpuProgramSource source = { 1, &vector, read_zeros, &width };

  return npu_program_load (fixture->device, precision, &source, program, NULL);
}

void
assert_close (const float *values, const double *reference, size_t count,
    double limit)
{
  double difference = 0.0, sum = 0.0, relative;

  for (size_t i = 0; i < count; i++) {
    difference += (values[i] - reference[i]) * (values[i] - reference[i]);
    sum += reference[i] * reference[i];
  }
  relative = sqrt (difference / sum);
  ck_assert_msg (relative <= limit, "relative L2 %g, limit %g", relative,
      limit);
}

int
fixture_main (Suite * suite)
{
  process_seed = seed_from_environment ();
  return run_suite (suite);
}
