/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See device-fixture.h.
 */
#include "unit/device-fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run-suite.h"

const char *const fixture_isas[ISAS] = { "c", "avx2", "avx512", "avx512bf16" };

const NpuTensorDescription fixture_tensors[TENSORS] = {
  [CONV1_WEIGHT] = {NPU_TENSOR_MATRIX, WIDTH, 3 * BANDS, "conv1.weight"},
  [CONV1_BIAS] = {NPU_TENSOR_VECTOR, 1, WIDTH, "conv1.bias"},
  [CONV2_WEIGHT] = {NPU_TENSOR_MATRIX, WIDTH, 3 * WIDTH, "conv2.weight"},
  [CONV2_BIAS] = {NPU_TENSOR_VECTOR, 1, WIDTH, "conv2.bias"},
  [POSITIONS] = {NPU_TENSOR_TABLE, STEM_POSITIONS, WIDTH, "positions"},
  [NORM_SCALE] = {NPU_TENSOR_VECTOR, 1, WIDTH, "norm.scale"},
  [NORM_SHIFT] = {NPU_TENSOR_VECTOR, 1, WIDTH, "norm.shift"},
  [GEMM_WEIGHT] = {NPU_TENSOR_MATRIX, GEMM_OUTPUTS, GEMM_INPUTS, "weight"},
  [GEMM_BIAS] = {NPU_TENSOR_VECTOR, 1, GEMM_OUTPUTS, "bias"},
  [EMBEDDING] = {NPU_TENSOR_EMBEDDING, VOCABULARY, WIDTH, "embedding"},
  [EMBEDDING_POSITIONS] = {NPU_TENSOR_TABLE, TOKEN_POSITIONS, WIDTH,
      "token positions"},
};

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
  for (int i = 0; i < TENSORS; i++) {
    size_t count = (size_t) fixture_tensors[i].rows
        * fixture_tensors[i].columns;
    float size = fixture_tensors[i].kind == NPU_TENSOR_MATRIX
        ? 1.0f / sqrtf (fixture_tensors[i].columns) : 0.5f;

    fixture->weights[i] = malloc (count * sizeof (float));
    for (size_t j = 0; j < count; j++)
      fixture->weights[i][j] = size * random_float ();
  }
}

NpuProgram *
fixture_load (Fixture * fixture, NpuPrecision precision)
{
  NpuProgramSource source = { TENSORS, fixture_tensors, read_weights, fixture };
  NpuProgram *program;
  NpuError error = { NPU_OK, "" };

  npu_program_load (fixture->device, precision, &source, &program, &error);
  ck_assert_msg (program != NULL, "%s", error.message);
  return program;
}

bool
fixture_open (Fixture * fixture, int isa, uint32_t threads,
    NpuPrecision precision)
{
  NpuDeviceOptions options = {.threads = threads,.isa = fixture_isas[isa] };
  NpuError error;
  NpuStatus status;

  memset (fixture, 0, sizeof (*fixture));
  status = npu_device_open ("cpu", &options, &fixture->device, &error);
  if (status == NPU_ENOTSUP) {
    printf ("SKIP: device: %s\n", error.message);
    return false;
  }
  ck_assert_int_eq (status, NPU_OK);
  create_weights (fixture);
  fixture->program = fixture_load (fixture, precision);
  ck_assert_int_eq (npu_queue_create (fixture->device, &fixture->queue,
          &error), NPU_OK);
  ck_assert_int_eq (npu_fence_create (fixture->device, &fixture->fence,
          &error), NPU_OK);
  return true;
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

void
fixture_run (Fixture * fixture, const NpuOperation * operation)
{
  NpuError error = { NPU_OK, "" };

  npu_queue_submit (fixture->queue, fixture->program, operation, 1,
      fixture->fence, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
  npu_fence_wait (fixture->fence, NPU_WAIT_FOREVER, &error);
  ck_assert_msg (error.status == NPU_OK, "%s", error.message);
}

static NpuView
create_view (Fixture * fixture, size_t size, uint32_t rows, size_t offset)
{
  NpuView view = { NULL, offset, rows };
  float *values;

  ck_assert_int_eq (npu_buffer_create (fixture->device, offset + size, 0,
          &view.buffer, NULL), NPU_OK);
  values = npu_buffer_host (view.buffer);
  for (size_t i = 0; i < (offset + size) / sizeof (float); i++)
    values[i] = NAN;
  return view;
}

NpuView
fixture_activations (Fixture * fixture, uint32_t rows, uint32_t width)
{
  return create_view (fixture, npu_device_activation_size (fixture->device,
          rows, width), rows, 64 * random_below (3));
}

NpuView
fixture_rows (Fixture * fixture, uint32_t rows, uint32_t width)
{
  return create_view (fixture, sizeof (float) * rows * width, rows,
      64 * random_below (3));
}

NpuView
fixture_cache (Fixture * fixture, uint32_t rows, uint32_t width)
{
  return create_view (fixture, npu_device_cache_size (fixture->device, rows,
          width), rows, 64 * random_below (3));
}

void
fixture_free_view (NpuView * view)
{
  npu_buffer_unref (view->buffer);
  view->buffer = NULL;
}

float *
plain_row (const NpuView * view, uint32_t width, uint32_t row)
{
  return (float *) ((char *) npu_buffer_host (view->buffer) + view->offset)
      + (size_t) row * width;
}

float *
activation_row (const NpuView * view, uint32_t width, uint32_t row)
{
  return plain_row (view, (width + 15) / 16 * 16, row);
}

void
fill_activations (const NpuView * view, uint32_t width)
{
  for (uint32_t r = 0; r < view->rows; r++)
    for (uint32_t i = 0; i < width; i++)
      activation_row (view, width, r)[i] = random_float ();
}

void
distance_add (Distance * distance, double value, double reference)
{
  distance->difference += (value - reference) * (value - reference);
  distance->reference += reference * reference;
}

double
distance_relative (const Distance * distance)
{
  double relative = sqrt (distance->difference / distance->reference);

  return isnan (relative) ? INFINITY : relative;
}

int
fixture_main (Suite * suite)
{
  seed_from_environment ();
  return run_suite (suite);
}
