/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the executor on the emulated NPU, which keeps separate copies of
 * every buffer, has a clock that can be modelled, and fails on request. Every
 * output is compared, bit for bit, with what the cpu device makes of the same
 * input.
 */
#include "pipeline/executor.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "count-allocations.h"
#include "run-suite.h"

#define KERNEL NPU_TILE_ATTENTION_INT8
#define INPUT 12288
#define OUTPUT 4096
#define PATTERNS 16
/* Nanoseconds: a run that takes longer hangs. */
#define HANGS UINT64_C (500000000)

/* A slot's buffers and its list of one operation. */
typedef struct
{
  NpuBuffer *input;
  NpuBuffer *output;
  NpuView input_view;
  NpuView output_view;
  NpuOperation operation;
  uint32_t pattern;
} Slot;

typedef struct
{
  NpuDevice *device;
  NpuExecutor *executor;
  Slot slots[NPU_EXECUTOR_MAX_DEPTH];
  bool same_input;              /* the mistake: one input for all slots */
} Fixture;

static uint8_t inputs[PATTERNS][INPUT];
static uint8_t expected[PATTERNS][OUTPUT];

/* ----------------------------------------------------------- fixture */

static void
prepare_slot (Slot * slot)
{
  slot->input_view = (NpuView) { slot->input, 0, 1 };
  slot->output_view = (NpuView) { slot->output, 0, 1 };
  slot->operation = (NpuOperation) {
    .type = NPU_OPERATION_TILE,
    .batch = 1,
    .tile = {KERNEL, &slot->input_view, &slot->output_view},
  };
}

static void
open_executor (Fixture * fixture, const char *settings, uint32_t depth,
    uint32_t queues)
{
  const NpuDeviceOptions device_options = {.threads = 1,.settings = settings };
  const NpuExecutorOptions options = {
    .depth = depth,.queues = queues,
    .run_timeout_ns = strstr (settings, "hang") ? HANGS : 0
  };
  NpuError error = { 0 };

  ck_assert_msg (npu_device_open ("emu", &device_options, &fixture->device,
          &error) == NPU_OK, "%s", error.message);
  ck_assert_msg (npu_executor_create (fixture->device, &options,
          &fixture->executor, &error) == NPU_OK, "%s", error.message);
  ck_assert_uint_eq (npu_executor_depth (fixture->executor), depth);
  for (uint32_t i = 0; i < depth; i++) {
    Slot *slot = &fixture->slots[i];

    ck_assert_int_eq (npu_executor_buffer (fixture->executor,
            fixture->same_input ? 0 : i, "input", INPUT, 0, &slot->input,
            &error), NPU_OK);
    ck_assert_int_eq (npu_executor_buffer (fixture->executor, i, "output",
            OUTPUT, 0, &slot->output, &error), NPU_OK);
    prepare_slot (slot);
  }
}

static void
close_executor (Fixture * fixture)
{
  npu_executor_free (fixture->executor);
  npu_device_unref (fixture->device);
}

static void
make_expected (void)
{
  Slot slot;
  NpuDevice *device;
  NpuQueue *queue;
  NpuFence *fence;

  for (int i = 0; i < PATTERNS; i++)
    for (size_t j = 0; j < INPUT; j++)
      inputs[i][j] = (uint8_t) random ();
  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, NULL), NPU_OK);
  npu_buffer_create (device, INPUT, 0, &slot.input, NULL);
  npu_buffer_create (device, OUTPUT, 0, &slot.output, NULL);
  npu_queue_create (device, &queue, NULL);
  npu_fence_create (device, &fence, NULL);
  prepare_slot (&slot);
  for (int i = 0; i < PATTERNS; i++) {
    memcpy (npu_buffer_host (slot.input), inputs[i], INPUT);
    ck_assert_int_eq (npu_queue_submit (queue, NULL, &slot.operation, 1,
            fence, NULL), NPU_OK);
    ck_assert_int_eq (npu_fence_wait (fence, NPU_WAIT_FOREVER, NULL), NPU_OK);
    memcpy (expected[i], npu_buffer_host (slot.output), OUTPUT);
  }
  npu_fence_free (fence);
  npu_queue_free (queue);
  npu_buffer_unref (slot.input);
  npu_buffer_unref (slot.output);
  npu_device_unref (device);
}

static void
setup (void)
{
  const char *given = getenv ("NPU_TEST_SEED");
  unsigned seed = given ? (unsigned) atoi (given) : (unsigned) time (NULL);

  printf ("seed %u\n", seed);
  srandom (seed);
  make_expected ();
}

/* -------------------------------------------------------------- work */

/* A check that allocates nothing while it holds, unlike those of check. */
#define must(condition) \
  do { \
    if (!(condition)) \
      ck_abort_msg ("%s", #condition); \
  } while (0)

/* Open a slot, upload pattern @pattern and run. */
static void
submit (Fixture * fixture, uint32_t pattern)
{
  NpuExecutorRun run = {.count = 1,.output_count = 1,.items = 1 };
  NpuError error = { 0 };
  NpuStatus status;
  uint32_t index;
  Slot *slot;

  must (npu_executor_open (fixture->executor, pattern, &index) == NPU_OK);
  slot = &fixture->slots[index];
  slot->pattern = pattern % PATTERNS;
  memcpy (npu_buffer_host (slot->input), inputs[slot->pattern], INPUT);
  status = npu_executor_stage (fixture->executor, index, slot->input, 0,
      INPUT, &error);
  must (status == NPU_OK);
  run.operations = &slot->operation;
  run.outputs[0] = (NpuExecutorRange) { slot->output, 0, OUTPUT };
  status = npu_executor_submit (fixture->executor, index, &run, &error);
  must (status == NPU_OK);
}

/* Returns whether the oldest result is what pattern @pattern gives. */
static bool
collect (Fixture * fixture, uint32_t pattern)
{
  NpuError error = { 0 };
  uint32_t index = 0;
  NpuStatus status = npu_executor_collect (fixture->executor,
      NPU_WAIT_FOREVER, &index, &error);
  const Slot *slot = &fixture->slots[index];
  bool right;

  must (status == NPU_OK);
  must (slot->pattern == pattern % PATTERNS);
  right = memcmp (npu_buffer_host (slot->output), expected[slot->pattern],
      OUTPUT) == 0;
  memset (npu_buffer_host (slot->output), 0x55, OUTPUT);
  npu_executor_close (fixture->executor, index);
  return right;
}

/* Keep @depth runs in flight, as long as there is work. */
static void
run_saturated (Fixture * fixture, uint32_t runs)
{
  uint32_t depth = npu_executor_depth (fixture->executor);
  uint32_t submitted = 0;

  for (uint32_t collected = 0; collected < runs; collected++) {
    while (submitted < runs && submitted - collected < depth)
      submit (fixture, submitted++);
    must (collect (fixture, collected));
  }
}

static NpuPipelineStatistics
statistics_of (Fixture * fixture)
{
  NpuPipelineStatistics statistics;

  npu_executor_statistics (fixture->executor, &statistics);
  return statistics;
}

/* ------------------------------------------------------------- tests */

START_TEST (results_come_in_the_order_of_submission)
{
  Fixture fixture = { 0 };

  open_executor (&fixture, "cost=none", 1 + (uint32_t) _i % 8,
      1 + (uint32_t) _i / 8);
  run_saturated (&fixture, 40);
  ck_assert_uint_eq (statistics_of (&fixture).runs, 40);
  ck_assert_uint_eq (statistics_of (&fixture).items, 40);
  ck_assert_uint_eq (statistics_of (&fixture).peak_in_flight,
      1 + (uint32_t) _i % 8);
  close_executor (&fixture);
}
END_TEST

static void
count_call (void *user)
{
  atomic_int *calls = user;

  atomic_fetch_add (calls, 1);
}

/* Two queues of the cpu device, whose lists take turns by operation: the short
 * list ends long before the one that was submitted first. */
START_TEST (a_result_that_is_early_waits_for_its_turn)
{
  atomic_int ended = 0;
  const NpuExecutorOptions options = {
    .depth = 2,.queues = 2,.notify = count_call,.notify_user = &ended
  };
  static NpuOperation many[2000];
  NpuExecutorRun run = {.items = 1 };
  NpuDevice *device;
  NpuExecutor *executor;
  NpuBuffer *input, *output;
  NpuView views[2];
  uint32_t slots[2], collected;

  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, NULL), NPU_OK);
  ck_assert_int_eq (npu_executor_create (device, &options, &executor, NULL),
      NPU_OK);
  npu_executor_buffer (executor, 0, "input", INPUT, 0, &input, NULL);
  npu_executor_buffer (executor, 0, "output", OUTPUT, 0, &output, NULL);
  views[0] = (NpuView) { input, 0, 1 };
  views[1] = (NpuView) { output, 0, 1 };
  for (int i = 0; i < 2000; i++)
    many[i] = (NpuOperation) {
      .type = NPU_OPERATION_TILE,.batch = 1,.tile = {KERNEL, views, views + 1}
    };
  run.operations = many;
  for (int i = 0; i < 2; i++) {
    run.count = i ? 1 : 2000;
    ck_assert_int_eq (npu_executor_open (executor, i, &slots[i]), NPU_OK);
    ck_assert_int_eq (npu_executor_submit (executor, slots[i], &run, NULL),
        NPU_OK);
  }
  while (ended == 0)
    ck_assert_int_eq (npu_executor_collect (executor, 0, &collected, NULL),
        NPU_ETIMEDOUT);
  ck_assert_int_eq (npu_executor_collect (executor, 0, &collected, NULL),
      NPU_ETIMEDOUT);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq (npu_executor_collect (executor, NPU_WAIT_FOREVER,
            &collected, NULL), NPU_OK);
    ck_assert_uint_eq (collected, slots[i]);
  }
  npu_executor_free (executor);
  npu_device_unref (device);
}
END_TEST

/* 15 % of 10 ms to stage, 75 % to run, 20 % to read out. */
#define COST "launch-us=7500,to-device-mbps=8.192,from-device-mbps=2.048"

START_TEST (depth_one_hides_nothing)
{
  Fixture fixture = { 0 };
  NpuPipelineStatistics statistics;

  open_executor (&fixture, "time=virtual," COST, 1, 1);
  run_saturated (&fixture, 60);
  statistics = statistics_of (&fixture);
  ck_assert_uint_eq (statistics.hidden_ns, 0);
  ck_assert (npu_statistics_overlap (&statistics) == 0);
  ck_assert_uint_eq (statistics.stage_ns, 60 * UINT64_C (1500000));
  ck_assert_uint_eq (statistics.run_ns, 60 * UINT64_C (7500000));
  ck_assert_uint_eq (statistics.read_ns, 60 * UINT64_C (2000000));
  ck_assert_uint_eq (statistics.last_ns - statistics.first_ns,
      60 * UINT64_C (11000000));
  close_executor (&fixture);
}
END_TEST

START_TEST (depth_two_hides_transfers_behind_runs)
{
  Fixture one = { 0 }, two = { 0 };
  NpuPipelineStatistics slow, fast;

  open_executor (&one, "time=virtual," COST, 1, 1);
  run_saturated (&one, 60);
  slow = statistics_of (&one);
  close_executor (&one);
  open_executor (&two, "time=virtual," COST, 2, 1);
  run_saturated (&two, 60);
  fast = statistics_of (&two);
  close_executor (&two);
  printf ("emulated, virtual time: %.1f %% of transfers hidden, %.2f times the "
      "throughput of depth 1\n", 100 * npu_statistics_overlap (&fast),
      npu_statistics_rate (&fast) / npu_statistics_rate (&slow));
  ck_assert (npu_statistics_overlap (&fast) >= 0.95);
  ck_assert (npu_statistics_rate (&fast) >= 1.4 * npu_statistics_rate (&slow));
  ck_assert_uint_eq (fast.run_ns, slow.run_ns);
  ck_assert (npu_statistics_queue_depth (&fast) > 1);
  ck_assert (npu_statistics_queue_depth (&fast) <= 2);
}
END_TEST

START_TEST (an_executor_without_free_slots_counts_a_stall_once)
{
  Fixture fixture = { 0 };
  uint32_t slot;

  open_executor (&fixture, "cost=none", 2, 1);
  submit (&fixture, 0);
  submit (&fixture, 1);
  ck_assert_uint_eq (statistics_of (&fixture).stalls, 0);
  ck_assert_int_eq (npu_executor_open (fixture.executor, 2, &slot),
      NPU_EBUSY);
  ck_assert_int_eq (npu_executor_open (fixture.executor, 2, &slot),
      NPU_EBUSY);
  ck_assert_uint_eq (statistics_of (&fixture).stalls, 1);
  ck_assert (collect (&fixture, 0));
  submit (&fixture, 2);
  ck_assert_int_eq (npu_executor_open (fixture.executor, 3, &slot),
      NPU_EBUSY);
  ck_assert_uint_eq (statistics_of (&fixture).stalls, 2);
  ck_assert (collect (&fixture, 1));
  ck_assert (collect (&fixture, 2));
  ck_assert_int_eq (npu_executor_collect (fixture.executor, 0, &slot, NULL),
      NPU_EINVAL);
  close_executor (&fixture);
}
END_TEST

START_TEST (a_run_in_flight_is_polled_without_waiting)
{
  Fixture fixture = { 0 };
  uint32_t slot = 77;

  open_executor (&fixture, "time=real,launch-us=100000", 1, 1);
  submit (&fixture, 5);
  ck_assert_int_eq (npu_executor_collect (fixture.executor, 0, &slot, NULL),
      NPU_ETIMEDOUT);
  ck_assert_int_eq (npu_executor_collect (fixture.executor, 1000000, &slot,
          NULL), NPU_ETIMEDOUT);
  ck_assert_uint_eq (slot, 77);
  ck_assert_uint_eq (npu_executor_in_flight (fixture.executor), 1);
  ck_assert (collect (&fixture, 5));
  ck_assert_uint_eq (npu_executor_in_flight (fixture.executor), 0);
  close_executor (&fixture);
}
END_TEST

/* What double buffering is about: while run n is at work, the input of run
 * n + 1 is uploaded. With one input for both, run n works on the wrong data. */
START_TEST (a_buffer_that_slots_share_is_found_by_wrong_data)
{
  Fixture shared = {.same_input = true }, separate = { 0 };

  open_executor (&shared, "time=real,launch-us=50000", 2, 1);
  submit (&shared, 0);
  submit (&shared, 1);
  ck_assert (!collect (&shared, 0));
  ck_assert (collect (&shared, 1));
  close_executor (&shared);

  open_executor (&separate, "time=real,launch-us=50000", 2, 1);
  submit (&separate, 0);
  submit (&separate, 1);
  ck_assert (collect (&separate, 0));
  ck_assert (collect (&separate, 1));
  close_executor (&separate);
}
END_TEST

START_TEST (a_device_that_hangs_once_loses_nothing)
{
  Fixture fixture = { 0 };
  char settings[64];

  snprintf (settings, sizeof (settings), "fault=hang,fault-at=%d", _i);
  open_executor (&fixture, settings, 4, 1);
  run_saturated (&fixture, 8);
  ck_assert_uint_eq (statistics_of (&fixture).resets, 1);
  ck_assert_uint_ge (statistics_of (&fixture).reruns, 1);
  ck_assert_uint_le (statistics_of (&fixture).reruns, 4);
  ck_assert_uint_eq (statistics_of (&fixture).failures, 0);
  close_executor (&fixture);
}
END_TEST

START_TEST (a_fault_that_happens_once_is_made_good)
{
  Fixture fixture = { 0 };

  open_executor (&fixture, "fault=error,fault-at=3", 3, 1);
  run_saturated (&fixture, 10);
  ck_assert_uint_eq (statistics_of (&fixture).resets, 1);
  ck_assert_uint_ge (statistics_of (&fixture).reruns, 1);
  close_executor (&fixture);
}
END_TEST

/* The first run fails with @settings, also for the second time; the next one
 * goes well. */
static void
assert_failure (const char *settings)
{
  Fixture fixture = { 0 };
  NpuError error = { 0 };
  uint32_t slot;

  open_executor (&fixture, settings, 2, 1);
  submit (&fixture, 0);
  ck_assert_int_eq (npu_executor_collect (fixture.executor, NPU_WAIT_FOREVER,
          &slot, &error), NPU_EDEVICE);
  ck_assert_int_eq (error.status, NPU_EDEVICE);
  ck_assert_uint_gt (strlen (error.message), 20);
  npu_executor_close (fixture.executor, slot);
  ck_assert_uint_eq (statistics_of (&fixture).failures, 1);
  ck_assert_uint_eq (statistics_of (&fixture).resets, 2);
  submit (&fixture, 1);
  ck_assert (collect (&fixture, 1));
  close_executor (&fixture);
}

START_TEST (a_fault_that_comes_again_fails_one_run_only)
{
  assert_failure ("fault=error,fault-at=1,fault-count=2");
}
END_TEST

START_TEST (a_device_that_hangs_again_fails_one_run_only)
{
  assert_failure ("fault=hang,fault-at=1,fault-count=2");
}
END_TEST

START_TEST (a_device_that_is_lost_says_so)
{
  Fixture fixture = { 0 };
  NpuError error = { 0 };
  uint32_t slot;

  open_executor (&fixture, "fault=lost,fault-at=2", 2, 1);
  submit (&fixture, 0);
  ck_assert (collect (&fixture, 0));
  submit (&fixture, 1);
  ck_assert_int_eq (npu_executor_collect (fixture.executor, NPU_WAIT_FOREVER,
          &slot, &error), NPU_ENODEV);
  ck_assert_uint_gt (strlen (error.message), 10);
  close_executor (&fixture);
}
END_TEST

START_TEST (a_reset_by_another_executor_is_made_good)
{
  Fixture first = { 0 }, second = { 0 };

  open_executor (&first, "fault=hang,fault-at=2", 2, 1);
  open_executor (&second, "fault=hang,fault-at=2", 2, 1);
  ck_assert_ptr_eq (first.device, second.device);
  submit (&second, 0);
  ck_assert (collect (&second, 0));
  submit (&first, 1);           /* hangs */
  submit (&second, 2);
  ck_assert (collect (&first, 1));
  ck_assert (collect (&second, 2));
  ck_assert_uint_eq (statistics_of (&first).resets, 1);
  ck_assert_uint_eq (statistics_of (&second).resets, 0);
  close_executor (&first);
  close_executor (&second);
}
END_TEST

START_TEST (an_executor_is_freed_while_its_device_hangs)
{
  Fixture fixture = { 0 };

  open_executor (&fixture, "fault=hang,fault-at=1", 2, 1);
  submit (&fixture, 0);
  submit (&fixture, 1);
  close_executor (&fixture);
}
END_TEST

START_TEST (the_device_has_queues_for_six_executors)
{
  Fixture fixtures[6] = { 0 };
  const NpuExecutorOptions options = {.depth = 1 };
  NpuExecutor *one_more;
  NpuError error = { 0 };

  for (int i = 0; i < 6; i++)
    open_executor (&fixtures[i], "cost=none", 1, 1);
  ck_assert_int_eq (npu_executor_create (fixtures[0].device, &options,
          &one_more, &error), NPU_EBUSY);
  ck_assert_uint_gt (strlen (error.message), 10);
  for (int i = 0; i < 6; i++)
    close_executor (&fixtures[i]);
}
END_TEST

START_TEST (running_allocates_nothing)
{
  Fixture fixture = { 0 };
  long before;

  open_executor (&fixture, "cost=none", 3, 1);
  run_saturated (&fixture, 10);
  before = allocations_so_far ();
  run_saturated (&fixture, 100);
  ck_assert_int_eq (allocations_so_far () - before, 0);
  close_executor (&fixture);
}
END_TEST

START_TEST (slots_that_are_not_open_are_refused)
{
  Fixture fixture = { 0 };
  NpuExecutorRun run = {.count = 1,.output_count = NPU_EXECUTOR_OUTPUTS + 1 };
  NpuExecutorOptions options = {.depth = 0 };
  NpuExecutor *executor;
  uint32_t slot;

  open_executor (&fixture, "cost=none", 2, 1);
  ck_assert_int_eq (npu_executor_stage (fixture.executor, 0,
          fixture.slots[0].input, 0, 64, NULL), NPU_EINVAL);
  ck_assert_int_eq (npu_executor_submit (fixture.executor, 9, &run, NULL),
      NPU_EINVAL);
  ck_assert_int_eq (npu_executor_open (fixture.executor, 0, &slot), NPU_OK);
  ck_assert_int_eq (npu_executor_submit (fixture.executor, slot, &run, NULL),
      NPU_EINVAL);
  npu_executor_close (fixture.executor, slot);
  ck_assert_int_eq (npu_executor_submit (fixture.executor, slot, &run, NULL),
      NPU_EINVAL);
  ck_assert_int_eq (npu_executor_create (fixture.device, &options, &executor,
          NULL), NPU_EINVAL);
  options.depth = NPU_EXECUTOR_MAX_DEPTH + 1;
  ck_assert_int_eq (npu_executor_create (fixture.device, &options, &executor,
          NULL), NPU_EINVAL);
  close_executor (&fixture);
}
END_TEST

START_TEST (the_end_of_every_run_is_notified)
{
  Fixture fixture = { 0 };
  atomic_int calls = 0;
  const NpuExecutorOptions options = {
    .depth = 2,.notify = count_call,.notify_user = &calls
  };

  open_executor (&fixture, "cost=none", 2, 1);
  npu_executor_free (fixture.executor);
  ck_assert_int_eq (npu_executor_create (fixture.device, &options,
          &fixture.executor, NULL), NPU_OK);
  for (uint32_t i = 0; i < 2; i++) {
    npu_executor_buffer (fixture.executor, i, "input", INPUT, 0,
        &fixture.slots[i].input, NULL);
    npu_executor_buffer (fixture.executor, i, "output", OUTPUT, 0,
        &fixture.slots[i].output, NULL);
    prepare_slot (&fixture.slots[i]);
  }
  run_saturated (&fixture, 20);
  close_executor (&fixture);
  ck_assert_int_eq (calls, 20);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("executor");
  TCase *tests = tcase_create ("executor");

  tcase_add_checked_fixture (tests, setup, NULL);
  tcase_add_loop_test (tests, results_come_in_the_order_of_submission, 0, 24);
  tcase_add_test (tests, a_result_that_is_early_waits_for_its_turn);
  tcase_add_test (tests, depth_one_hides_nothing);
  tcase_add_test (tests, depth_two_hides_transfers_behind_runs);
  tcase_add_test (tests, an_executor_without_free_slots_counts_a_stall_once);
  tcase_add_test (tests, a_run_in_flight_is_polled_without_waiting);
  tcase_add_test (tests, a_buffer_that_slots_share_is_found_by_wrong_data);
  tcase_add_loop_test (tests, a_device_that_hangs_once_loses_nothing, 1, 9);
  tcase_add_test (tests, a_fault_that_happens_once_is_made_good);
  tcase_add_test (tests, a_fault_that_comes_again_fails_one_run_only);
  tcase_add_test (tests, a_device_that_hangs_again_fails_one_run_only);
  tcase_add_test (tests, a_device_that_is_lost_says_so);
  tcase_add_test (tests, a_reset_by_another_executor_is_made_good);
  tcase_add_test (tests, an_executor_is_freed_while_its_device_hangs);
  tcase_add_test (tests, the_device_has_queues_for_six_executors);
  tcase_add_test (tests, running_allocates_nothing);
  tcase_add_test (tests, slots_that_are_not_open_are_refused);
  tcase_add_test (tests, the_end_of_every_run_is_notified);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
