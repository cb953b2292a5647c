/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is the emulated NPU's own: settings, limits, separate memory, and the
 * cost model in virtual and in real time.
 */
#include "devices/fixture.h"

#include <string.h>

#define MILLISECOND UINT64_C (1000000)

static Fixture fixture;

/* ------------------------------------------------------------ settings */

START_TEST (settings_that_cannot_be_are_refused_with_the_reason)
{
  static const struct
  {
    const char *settings;
    const char *reason;
  } cases[] = {
    {"speed=9", "launch-us"}, {"cost", "KEY=VALUE"}, {"=1", "KEY=VALUE"},
    {"cost=none,", "KEY=VALUE"}, {"cost=free", "none or published"},
    {"launch-us=-1", "a number"}, {"launch-us=1e3", "a number"},
    {"launch-us=nan", "a number"}, {"gops=", "a number"},
    {"gops=1.2.3", "a number"}, {"to-device-mbps=.", "a number"},
    {"from-device-mbps=9999999999999", "a number"},
    {"gops=1,gops=2", "twice"}, {"time=soon", "real or virtual"},
    {"fault=fire", "hang"}, {"fault-at=3", "fault="},
    {"fault=hang,fault-at=0", "from 1"}, {"fault=hang,fault-at=1.5", "whole"},
    {"fault=error,fault-byte=1", "corrupt"},
    {"fault=corrupt,fault-byte=x", "whole"}, {"fault=slow", "slow-us"},
    {"slow-us=3", "fault=slow"}, {"timeout-ms=0", "from 1"},
    {"fault=lost,fault-count=0", "from 1"},
  };

  for (size_t i = 0; i < sizeof (cases) / sizeof (cases[0]); i++) {
    NpuDeviceOptions options = {.settings = cases[i].settings };
    NpuDevice *device;
    NpuError error;

    ck_assert_msg (npu_device_open ("emu", &options, &device, &error)
        == NPU_EINVAL, "\"%s\" was not refused", cases[i].settings);
    ck_assert_msg (strstr (error.message, cases[i].reason) != NULL,
        "\"%s\": \"%s\" does not say %s", cases[i].settings, error.message,
        cases[i].reason);
  }
}

END_TEST

START_TEST (it_says_that_it_is_emulated_and_how)
{
  const NpuDeviceInfo *info;

  fixture_open (&fixture, "emu", 3, "cost=published,time=virtual");
  info = npu_device_info (fixture.device);
  ck_assert_str_eq (info->name, "emu");
  ck_assert (info->emulated);
  ck_assert (info->virtual_time);
  ck_assert_ptr_nonnull (strstr (info->description,
          "emulated NPU, 4 columns x 4 cores"));
  ck_assert_ptr_nonnull (strstr (info->description, "published"));
  ck_assert_ptr_nonnull (strstr (info->description, "virtual time"));
  ck_assert_uint_eq (info->queues, 6);
  ck_assert_uint_eq (info->queue_depth, 4);
  ck_assert_uint_eq (info->buffer_alignment, 4096);
  ck_assert_uint_eq (info->threads, 3);
  ck_assert_int_eq (info->best_precision, NPU_PRECISION_BF16);
  ck_assert_uint_eq (info->precisions, 1u << NPU_PRECISION_BF16);
  fixture_close (&fixture);
  fixture_open (&fixture, "emu", 400, NULL);
  info = npu_device_info (fixture.device);
  ck_assert (!info->virtual_time);
  ck_assert_ptr_nonnull (strstr (info->description, "no costs, real time"));
  ck_assert_uint_eq (info->threads, 16);
  fixture_close (&fixture);
}

END_TEST

START_TEST (it_is_opened_by_name_only_and_shared_with_the_same_settings)
{
  NpuDeviceOptions one = {.settings = "launch-us=1" };
  NpuDeviceOptions two = {.settings = "launch-us=2" };
  NpuDeviceOptions isa = {.isa = "avx2" };
  NpuDevice *a, *b, *c;

  ck_assert_int_eq (npu_device_open ("auto", NULL, &a, NULL), NPU_OK);
  ck_assert (!npu_device_info (a)->emulated);
  npu_device_unref (a);
  ck_assert_int_eq (npu_device_open ("emu", &one, &a, NULL), NPU_OK);
  ck_assert_int_eq (npu_device_open ("emu", &one, &b, NULL), NPU_OK);
  ck_assert_int_eq (npu_device_open ("emu", &two, &c, NULL), NPU_OK);
  ck_assert_ptr_eq (a, b);
  ck_assert_ptr_ne (a, c);
  npu_device_unref (a);
  npu_device_unref (b);
  npu_device_unref (c);
  ck_assert_int_eq (npu_device_open ("emu", &isa, &a, NULL), NPU_ENOTSUP);
}

END_TEST

/* -------------------------------------------------------------- limits */

START_TEST (forms_and_sizes_without_a_kernel_are_refused)
{
  static const uint32_t width = 24;
  NpuView wide, narrow, cache;
  NpuAttentionItem item = {.position = 0 };
  NpuOperation attention = {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {.items = &item,.form = NPU_ATTENTION_CAUSAL,.width = WIDTH,
        .heads = HEADS},
  };
  NpuOperation norm = {
    .type = NPU_OPERATION_LAYER_NORM,
    .batch = 1,
    .layer_norm = {&wide, &narrow, width, 0, 0, false},
  };
  NpuProgram *program, *refused;
  NpuError error;

  fixture_open (&fixture, "emu", 1, NULL);
  wide = item.input = fixture_activations (&fixture, 8, 3 * WIDTH);
  narrow = item.output = fixture_activations (&fixture, 8, WIDTH);
  cache = item.cache = fixture_view (&fixture,
      npu_device_cache_size (fixture.device, 8, WIDTH), 8);
  ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
          &attention, 1, fixture.fence, &error), NPU_ENOTSUP);
  ck_assert_ptr_nonnull (strstr (error.message, "form"));
  attention.attention.form = NPU_ATTENTION_FULL;
  attention.attention.heads = 1;
  ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
          &attention, 1, fixture.fence, &error), NPU_ENOTSUP);
  ck_assert_ptr_nonnull (strstr (error.message, "head size 96"));
  ck_assert_int_eq (load_vector (&fixture, width, NPU_PRECISION_AUTO,
          &program), NPU_OK);
  ck_assert_int_eq (npu_queue_submit (fixture.queue, program, &norm, 1,
          fixture.fence, &error), NPU_ENOTSUP);
  ck_assert_ptr_nonnull (strstr (error.message, "24"));
  ck_assert_int_eq (load_vector (&fixture, width, NPU_PRECISION_FLOAT32,
          &refused), NPU_ENOTSUP);
  /* refused lists leave nothing behind */
  ck_assert_int_eq (fixture_run (&fixture, NULL, 0), NPU_OK);
  npu_program_unref (program);
  fixture_free_view (&wide);
  fixture_free_view (&narrow);
  fixture_free_view (&cache);
  fixture_close (&fixture);
}

END_TEST

/* -------------------------------------------------------------- memory */

START_TEST (input_that_was_not_synced_is_never_seen)
{
  Tiles tiles;

  fixture_open (&fixture, "emu", 1, NULL);
  create_tiles (&fixture, &tiles, NPU_TILE_GELU_INT8, 1);
  memset (view_host (&tiles.input), 100, TILE_BYTES);
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  ck_assert_int_eq (first_output (&tiles), 0);
  upload (&tiles.input);
  memset (view_host (&tiles.input), 50, TILE_BYTES);
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  ck_assert_int_eq (first_output (&tiles), 100);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (output_that_was_not_synced_is_never_seen)
{
  Tiles tiles;
  int8_t *host;

  fixture_open (&fixture, "emu", 1, NULL);
  create_gelu (&fixture, &tiles, 100);
  host = view_host (&tiles.output);
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  ck_assert_int_eq (host[0], 0);
  download (&tiles.output);
  ck_assert_int_eq (host[0], 100);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (a_sync_copies_its_range_and_nothing_else)
{
  NpuBuffer *buffer;
  char *host;

  fixture_open (&fixture, "emu", 1, NULL);
  ck_assert_int_eq (npu_buffer_create (fixture.device, 100, 0, &buffer, NULL),
      NPU_OK);
  host = npu_buffer_host (buffer);
  memset (host, 1, 100);
  npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, 10, 20);
  memset (host, 2, 100);
  npu_buffer_sync (buffer, NPU_SYNC_FROM_DEVICE, 20, 20);
  for (int i = 0; i < 100; i++)
    ck_assert_int_eq (host[i], i < 20 || i >= 40 ? 2 : i < 30 ? 1 : 0);
  npu_buffer_unref (buffer);
  fixture_close (&fixture);
}

END_TEST

/* -------------------------------------------------------- virtual time */

START_TEST (virtual_time_is_launch_and_bytes_and_operations)
{
  /* 3 tiles of 64 x 64 x 64 twice, two operations a multiply-add, at 100 a
   * nanosecond; 12288 bytes at 1 and at 0.5 a nanosecond */
  const uint64_t list = 40000 + 31457, in = 3 * 12288, out = 3 * 4096 * 2;
  uint64_t started, ended;
  Tiles tiles;

  fixture_open (&fixture, "emu", 2, "gops=100,launch-us=40,"
      "to-device-mbps=1000,from-device-mbps=500,time=virtual");
  create_tiles (&fixture, &tiles, NPU_TILE_ATTENTION_INT8, 3);
  ck_assert_uint_eq (npu_device_now (fixture.device), 0);
  npu_buffer_sync (tiles.input.buffer, NPU_SYNC_TO_DEVICE, tiles.input.offset,
      3 * 12288);
  ck_assert_uint_eq (npu_device_now (fixture.device), in);
  fixture_submit (&fixture, &tiles.operation, 1, fixture.fence);
  ck_assert_uint_eq (npu_device_now (fixture.device), in);
  npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER, NULL);
  ck_assert_uint_eq (npu_device_now (fixture.device), in + list);
  npu_fence_times (fixture.fence, &started, &ended);
  ck_assert_uint_eq (started, in);
  ck_assert_uint_eq (ended, in + list);
  npu_buffer_sync (tiles.output.buffer, NPU_SYNC_FROM_DEVICE,
      tiles.output.offset, 3 * 4096);
  ck_assert_uint_eq (npu_device_now (fixture.device), in + list + out);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (transfers_run_beside_the_array_and_lists_behind_each_other)
{
  NpuFence *fences[3];
  NpuQueue *other;
  NpuBuffer *buffer;
  uint64_t started, ended;

  fixture_open (&fixture, "emu", 2,
      "launch-us=100,to-device-mbps=1000,time=virtual");
  npu_buffer_create (fixture.device, 30000, 0, &buffer, NULL);
  npu_queue_create (fixture.device, &other, NULL);
  for (int i = 0; i < 3; i++)
    npu_fence_create (fixture.device, &fences[i], NULL);
  fixture_submit (&fixture, NULL, 0, fences[0]);
  npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, 0, 30000);
  npu_queue_submit (other, fixture.program, NULL, 0, fences[1], NULL);
  fixture_submit (&fixture, NULL, 0, fences[2]);
  ck_assert_uint_eq (npu_device_now (fixture.device), 30000);
  for (uint64_t i = 0; i < 3; i++) {
    npu_fence_wait (fences[i], NPU_WAIT_FOREVER, NULL);
    npu_fence_times (fences[i], &started, &ended);
    ck_assert_uint_eq (started, i * 100000);
    ck_assert_uint_eq (ended, (i + 1) * 100000);
    ck_assert_uint_eq (npu_device_now (fixture.device), ended);
    npu_fence_free (fences[i]);
  }
  /* waiting for what ended earlier does not turn the clock back */
  npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, 0, 30000);
  fixture_run (&fixture, NULL, 0);
  npu_fence_times (fixture.fence, &started, &ended);
  ck_assert_uint_eq (started, 330000);
  npu_queue_free (other);
  npu_buffer_unref (buffer);
  fixture_close (&fixture);
}

END_TEST

/* Virtual nanoseconds of one operation at 1 GOPS: its operations. */
static uint64_t
operations_of (const NpuOperation * operation)
{
  uint64_t started, ended;

  ck_assert_int_eq (fixture_run (&fixture, operation, 1), NPU_OK);
  npu_fence_times (fixture.fence, &started, &ended);
  return ended - started;
}

START_TEST (operations_are_two_for_each_multiply_add_of_products)
{
  NpuView rows, states, wide, scratch, output;
  NpuAttentionItem item = {.position = 0 };
  NpuStemItem stem_item;
  NpuOperation gemm, norm, attention = {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {.items = &item,.form = NPU_ATTENTION_FULL,.width = WIDTH,
        .heads = HEADS},
  }, stem = {
    .type = NPU_OPERATION_CONV1D_STEM,
    .batch = 1,
    .stem = {&stem_item, BANDS, WIDTH, CONV1_WEIGHT, CONV1_BIAS, CONV2_WEIGHT,
        CONV2_BIAS, POSITIONS},
  };

  fixture_open (&fixture, "emu", 2, "gops=1,time=virtual");
  rows = fixture_random_rows (&fixture, 70, INPUTS);
  states = fixture_activations (&fixture, 70, WIDTH);
  wide = fixture_activations (&fixture, 70, 3 * WIDTH);
  output = fixture_rows (&fixture, 70, WIDTH);
  scratch = fixture_view (&fixture, npu_stem_scratch_size (fixture.device, 70,
          BANDS, WIDTH), 1);
  item = (NpuAttentionItem) {.input = wide,.output = states };
  stem_item = (NpuStemItem) { {{rows.buffer, 0, 100}}, scratch, states };
  gemm = gemm_of (&rows, &states, INPUT_WEIGHT, INPUT_BIAS);
  norm = norm_of (&states, &output);
  ck_assert_uint_eq (operations_of (&gemm), 2 * 70 * INPUTS * WIDTH);
  ck_assert_uint_eq (operations_of (&attention), 2 * 2 * 70 * 70 * WIDTH);
  ck_assert_uint_eq (operations_of (&stem), 2 * (140 * 3 * BANDS * WIDTH
          + 70 * 3 * WIDTH * WIDTH));
  ck_assert_uint_eq (operations_of (&norm), 0);
  fixture_free_view (&rows);
  fixture_free_view (&states);
  fixture_free_view (&wide);
  fixture_free_view (&output);
  fixture_free_view (&scratch);
  fixture_close (&fixture);
}

END_TEST

START_TEST (published_costs_are_the_published_figures)
{
  Tiles int8, bf16;
  NpuOperation list[2];
  uint64_t now;

  fixture_open (&fixture, "emu", 1, "time=virtual,cost=published");
  create_tiles (&fixture, &int8, NPU_TILE_ATTENTION_INT8, 100);
  create_tiles (&fixture, &bf16, NPU_TILE_GEMM_BF16, 100);
  list[0] = int8.operation;
  list[1] = bf16.operation;
  ck_assert_int_eq (fixture_run (&fixture, list, 2), NPU_OK);
  /* 40 us, 104857600 at 6760 and 52428800 at 3140 a nanosecond:
   * 40000 + 15511.48 + 16697.07 */
  ck_assert_uint_eq (npu_device_now (fixture.device), 72209);
  now = npu_device_now (fixture.device);
  npu_buffer_sync (int8.input.buffer, NPU_SYNC_FROM_DEVICE, 0, 520000);
  npu_buffer_sync (int8.input.buffer, NPU_SYNC_TO_DEVICE, 0, 260000);
  ck_assert_uint_eq (npu_device_now (fixture.device), now + 20000 + 10000);
  free_tiles (&int8);
  free_tiles (&bf16);
  fixture_close (&fixture);
  fixture_open (&fixture, "emu", 1, "launch-us=7.5,cost=published,"
      "time=virtual");
  ck_assert_int_eq (fixture_run (&fixture, NULL, 0), NPU_OK);
  ck_assert_uint_eq (npu_device_now (fixture.device), 7500);
  fixture_close (&fixture);
}

END_TEST

/* What a program of lists and transfers that overlap leaves of times. */
static void
collect_times (uint32_t threads, uint64_t moments[12])
{
  NpuFence *fences[4];
  Tiles tiles[4];

  fixture_open (&fixture, "emu", threads, "cost=published,time=virtual");
  for (int i = 0; i < 4; i++) {
    create_tiles (&fixture, &tiles[i], NPU_TILE_ATTENTION_INT8, 40);
    npu_fence_create (fixture.device, &fences[i], NULL);
  }
  for (int i = 0; i < 4; i++) {
    npu_buffer_sync (tiles[i].input.buffer, NPU_SYNC_TO_DEVICE,
        tiles[i].input.offset, 40 * 12288);
    fixture_submit (&fixture, &tiles[i].operation, 1, fences[i]);
    moments[3 * i] = npu_device_now (fixture.device);
  }
  for (int i = 0; i < 4; i++) {
    npu_fence_wait (fences[i], NPU_WAIT_FOREVER, NULL);
    npu_fence_times (fences[i], &moments[3 * i + 1],
        &moments[3 * i + 2]);
    npu_fence_free (fences[i]);
    free_tiles (&tiles[i]);
  }
  fixture_close (&fixture);
}

START_TEST (virtual_time_repeats_for_any_number_of_threads)
{
  uint64_t expected[12], moments[12];

  collect_times (1, expected);
  for (uint32_t threads = 1; threads <= 5; threads += 2) {
    collect_times (threads, moments);
    for (int i = 0; i < 12; i++)
      ck_assert_uint_eq (moments[i], expected[i]);
  }
}

END_TEST

START_TEST (virtual_time_is_not_waited_for)
{
  NpuDevice *device;
  uint64_t before;

  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, NULL), NPU_OK);
  before = npu_device_now (device);
  fixture_open (&fixture, "emu", 1, "launch-us=1000000000,time=virtual");
  ck_assert_int_eq (fixture_run (&fixture, NULL, 0), NPU_OK);
  ck_assert_uint_eq (npu_device_now (fixture.device), 1000000 * MILLISECOND);
  ck_assert_uint_lt (npu_device_now (device) - before, 60000 * MILLISECOND);
  fixture_close (&fixture);
  npu_device_unref (device);
}

END_TEST

/* ----------------------------------------------------------- real time */

START_TEST (real_time_takes_at_least_what_the_model_says)
{
  uint64_t before, started, ended;
  Tiles tiles;

  fixture_open (&fixture, "emu", 1,
      "launch-us=20000,to-device-mbps=1,from-device-mbps=2");
  create_tiles (&fixture, &tiles, NPU_TILE_ATTENTION_INT8, 1);
  before = npu_device_now (fixture.device);
  npu_buffer_sync (tiles.input.buffer, NPU_SYNC_TO_DEVICE, 0, 12000);
  ck_assert_uint_ge (npu_device_now (fixture.device) - before,
      12 * MILLISECOND);
  for (int i = 0; i < 3; i++) {
    before = npu_device_now (fixture.device);
    ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
    ck_assert_uint_ge (npu_device_now (fixture.device) - before,
        20 * MILLISECOND);
    ck_assert_uint_lt (npu_device_now (fixture.device) - before,
        2000 * MILLISECOND);
    npu_fence_times (fixture.fence, &started, &ended);
    ck_assert_uint_ge (started, before);
    ck_assert_uint_ge (ended - started, 20 * MILLISECOND);
    ck_assert_uint_le (ended, npu_device_now (fixture.device));
  }
  before = npu_device_now (fixture.device);
  npu_buffer_sync (tiles.output.buffer, NPU_SYNC_FROM_DEVICE, 0, 4000);
  ck_assert_uint_ge (npu_device_now (fixture.device) - before,
      2 * MILLISECOND);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (lists_of_two_queues_take_turns_on_the_array)
{
  NpuFence *fences[4];
  NpuQueue *other;
  uint64_t started, ended, last = 0;

  fixture_open (&fixture, "emu", 1, "launch-us=10000");
  npu_queue_create (fixture.device, &other, NULL);
  for (int i = 0; i < 4; i++) {
    npu_fence_create (fixture.device, &fences[i], NULL);
    npu_queue_submit (i % 2 ? other : fixture.queue, fixture.program, NULL, 0,
        fences[i], NULL);
  }
  for (int i = 0; i < 4; i++) {
    ck_assert_int_eq (npu_fence_wait (fences[i], NPU_WAIT_FOREVER, NULL),
        NPU_OK);
    npu_fence_times (fences[i], &started, &ended);
    ck_assert_uint_ge (started, last);
    ck_assert_uint_ge (ended, started + 10 * MILLISECOND);
    last = ended;
    npu_fence_free (fences[i]);
  }
  npu_queue_free (other);
  fixture_close (&fixture);
}

END_TEST

START_TEST (input_that_is_overwritten_in_flight_gives_other_results)
{
  Tiles tiles;

  fixture_open (&fixture, "emu", 1, "launch-us=300000");
  create_gelu (&fixture, &tiles, 100);
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  ck_assert_int_eq (first_output (&tiles), 100);
  fixture_submit (&fixture, &tiles.operation, 1, fixture.fence);
  memset (view_host (&tiles.input), 50, TILE_BYTES);
  upload (&tiles.input);
  ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER, NULL),
      NPU_OK);
  ck_assert_int_ne (first_output (&tiles), 100);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (output_that_is_read_in_flight_is_old)
{
  Tiles tiles;

  fixture_open (&fixture, "emu", 1, "launch-us=300000");
  create_gelu (&fixture, &tiles, 100);
  fixture_submit (&fixture, &tiles.operation, 1, fixture.fence);
  ck_assert_int_eq (first_output (&tiles), 0);
  ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER, NULL),
      NPU_OK);
  ck_assert_int_eq (first_output (&tiles), 100);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (reset_does_not_wait_for_the_time_that_a_list_would_take)
{
  uint64_t before;

  fixture_open (&fixture, "emu", 1, "launch-us=100000000");
  before = npu_device_now (fixture.device);
  fixture_submit (&fixture, NULL, 0, fixture.fence);
  ck_assert_int_eq (npu_device_reset (fixture.device, NULL), NPU_OK);
  ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER, NULL),
      NPU_ECANCELED);
  ck_assert_uint_lt (npu_device_now (fixture.device) - before,
      20000 * MILLISECOND);
  fixture_close (&fixture);
}

END_TEST

int
main (void)
{
  Suite *suite = suite_create ("emulated NPU");
  TCase *tests = tcase_create ("emulated NPU");

  tcase_add_test (tests, settings_that_cannot_be_are_refused_with_the_reason);
  tcase_add_test (tests, it_says_that_it_is_emulated_and_how);
  tcase_add_test (tests,
      it_is_opened_by_name_only_and_shared_with_the_same_settings);
  tcase_add_test (tests, forms_and_sizes_without_a_kernel_are_refused);
  tcase_add_test (tests, input_that_was_not_synced_is_never_seen);
  tcase_add_test (tests, output_that_was_not_synced_is_never_seen);
  tcase_add_test (tests, a_sync_copies_its_range_and_nothing_else);
  tcase_add_test (tests, virtual_time_is_launch_and_bytes_and_operations);
  tcase_add_test (tests,
      transfers_run_beside_the_array_and_lists_behind_each_other);
  tcase_add_test (tests,
      operations_are_two_for_each_multiply_add_of_products);
  tcase_add_test (tests, published_costs_are_the_published_figures);
  tcase_add_test (tests, virtual_time_repeats_for_any_number_of_threads);
  tcase_add_test (tests, virtual_time_is_not_waited_for);
  tcase_add_test (tests, real_time_takes_at_least_what_the_model_says);
  tcase_add_test (tests, lists_of_two_queues_take_turns_on_the_array);
  tcase_add_test (tests,
      input_that_is_overwritten_in_flight_gives_other_results);
  tcase_add_test (tests, output_that_is_read_in_flight_is_old);
  tcase_add_test (tests,
      reset_does_not_wait_for_the_time_that_a_list_would_take);
  suite_add_tcase (suite, tests);
  return fixture_main (suite);
}
