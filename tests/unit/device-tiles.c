/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * NPU_OPERATION_TILE on the cpu device: every kernel, on one thread and on
 * two, over batches of few and many tiles, gives what the host twin gives.
 */
#include "tiles/tiles.h"
#include "unit/device-fixture.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 4
#define GUARD 64                /* bytes behind an output */
#define UNTOUCHED 0x5a

static const uint32_t tiles[BATCH] = { 1, 70, 2, 7 };

typedef struct
{
  size_t input;
  size_t output;
  void (*int8) (const int8_t * input, int8_t * output);
  void (*bf16) (const uint16_t * input, uint16_t * output);
} Twin;

/* In bytes, as issued: the sizes are part of what others rely on. */
static const Twin twins[NPU_TILES] = {
  [NPU_TILE_ATTENTION_INT8] = {12288, 4096, npu_tile_attention_int8, NULL},
  [NPU_TILE_LAYER_NORM_INT8] = {768, 256, npu_tile_layer_norm_int8, NULL},
  [NPU_TILE_GEMM_INT8] = {512, 256, npu_tile_gemm_int8, NULL},
  [NPU_TILE_GELU_INT8] = {512, 512, npu_tile_gelu_int8, NULL},
  [NPU_TILE_ATTENTION_BF16] = {3 * 8192, 8192, NULL, npu_tile_attention_bf16},
  [NPU_TILE_LAYER_NORM_BF16] = {3 * 512, 512, NULL,
      npu_tile_layer_norm_row_bf16},
  [NPU_TILE_GEMM_BF16] = {2 * 8192, 8192, NULL, npu_tile_gemm_pair_bf16},
  [NPU_TILE_GELU_BF16] = {1024, 1024, NULL, npu_tile_gelu_bf16},
};

static void
fill_input (const Twin *twin, char *input, size_t size)
{
  for (size_t i = 0; i < size; i++)
    input[i] = (char) random_below (256);
  for (size_t i = 0; twin->bf16 && i < size / 2; i++) {
    uint16_t value = npu_float_to_bf16 (random_float ());

    memcpy (input + 2 * i, &value, sizeof (value));
  }
}

static void
run_twin (const Twin *twin, const char *input, char *output)
{
  if (twin->int8)
    twin->int8 ((const int8_t *) input, (int8_t *) output);
  else
    twin->bf16 ((const uint16_t *) input, (uint16_t *) output);
}

static NpuView
create_view (Fixture *fixture, uint32_t rows, size_t size)
{
  NpuView view = { NULL, 64 * random_below (3), rows };

  ck_assert_int_eq (npu_buffer_create (fixture->device, view.offset + size
          + GUARD, 0, &view.buffer, NULL), NPU_OK);
  return view;
}

static char *
bytes_of (const NpuView *view)
{
  return (char *) npu_buffer_host (view->buffer) + view->offset;
}

static void
check_view (const Twin *twin, const NpuView *input, const NpuView *output)
{
  char *wanted = malloc (twin->output);
  size_t end = output->rows * twin->output;

  for (uint32_t i = 0; i < input->rows; i++) {
    run_twin (twin, bytes_of (input) + i * twin->input, wanted);
    ck_assert_mem_eq (bytes_of (output) + i * twin->output, wanted,
        twin->output);
  }
  for (size_t i = end; i < end + GUARD; i++)
    ck_assert_int_eq (bytes_of (output)[i], UNTOUCHED);
  free (wanted);
}

static void
check_kernel (NpuTileKernel kernel, uint32_t threads)
{
  const Twin *twin = &twins[kernel];
  NpuView input[BATCH], output[BATCH];
  NpuOperation operation = {.type = NPU_OPERATION_TILE,.batch = BATCH,
    .tile = {kernel, input, output}
  };
  Fixture fixture;

  ck_assert (fixture_open (&fixture, 0, threads, NPU_PRECISION_FLOAT32));
  for (int i = 0; i < BATCH; i++) {
    input[i] = create_view (&fixture, tiles[i], tiles[i] * twin->input);
    output[i] = create_view (&fixture, tiles[i], tiles[i] * twin->output);
    fill_input (twin, bytes_of (&input[i]), tiles[i] * twin->input);
    memset (bytes_of (&output[i]), UNTOUCHED, tiles[i] * twin->output + GUARD);
  }
  fixture_run (&fixture, &operation);
  for (int i = 0; i < BATCH; i++) {
    check_view (twin, &input[i], &output[i]);
    fixture_free_view (&input[i]);
    fixture_free_view (&output[i]);
  }
  fixture_close (&fixture);
}

START_TEST (one_thread_computes_what_the_twin_computes)
{
  check_kernel ((NpuTileKernel) _i, 1);
}

END_TEST

START_TEST (two_threads_compute_what_the_twin_computes)
{
  check_kernel ((NpuTileKernel) _i, 2);
}

END_TEST

START_TEST (sizes_are_those_of_the_layouts)
{
  for (int i = 0; i < NPU_TILES; i++) {
    ck_assert_uint_eq (npu_tile_input_size ((NpuTileKernel) i),
        twins[i].input);
    ck_assert_uint_eq (npu_tile_output_size ((NpuTileKernel) i),
        twins[i].output);
  }
  ck_assert_uint_eq (npu_tile_input_size (NPU_TILES), 0);
  ck_assert_uint_eq (npu_tile_output_size ((NpuTileKernel) - 1), 0);
}

END_TEST

static Suite *
tiles_suite (void)
{
  Suite *suite = suite_create ("tile operations");
  TCase *tests = tcase_create ("tiles");

  tcase_add_loop_test (tests, one_thread_computes_what_the_twin_computes, 0,
      NPU_TILES);
  tcase_add_loop_test (tests, two_threads_compute_what_the_twin_computes, 0,
      NPU_TILES);
  tcase_add_test (tests, sizes_are_those_of_the_layouts);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  return fixture_main (tiles_suite ());
}
