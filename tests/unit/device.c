/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Devices, buffers, programs, queues and fences: lifetimes, errors, order, and
 * that results do not depend on threads or on who else works beside.
 */
#include "unit/device-fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Fixture fixture;

static void
open_fixture (void)
{
  /* The portable set is there on every machine. */
  ck_assert (fixture_open (&fixture, 0, 2, NPU_PRECISION_FLOAT32));
}

static void
close_fixture (void)
{
  fixture_close (&fixture);
}

/* ------------------------------------------------------------ device */

START_TEST (device_of_unknown_name_is_refused_with_a_list)
{
  NpuDevice *device;
  NpuError error;

  ck_assert_int_eq (npu_device_open ("abacus", NULL, &device, &error),
      NPU_ENODEV);
  ck_assert_ptr_null (device);
  ck_assert_ptr_nonnull (strstr (error.message, "abacus"));
  ck_assert_ptr_nonnull (strstr (error.message, "cpu"));
  ck_assert_int_eq (npu_device_open (NULL, NULL, &device, &error), NPU_EINVAL);
  ck_assert_str_eq (npu_device_names ()[0], "cpu");
}

END_TEST

START_TEST (device_with_unknown_instruction_set_says_what_there_is)
{
  NpuDeviceOptions options = {.isa = "neon9" };
  NpuDevice *device;
  NpuError error;

  ck_assert_int_eq (npu_device_open ("cpu", &options, &device, &error),
      NPU_ENOTSUP);
  ck_assert_ptr_nonnull (strstr (error.message, "neon9"));
  ck_assert_ptr_nonnull (strstr (error.message, " c "));
  setenv ("NPU_CPU_ISA", "mmx", 1);
  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, &error),
      NPU_ENOTSUP);
  ck_assert_ptr_nonnull (strstr (error.message, "mmx"));
  unsetenv ("NPU_CPU_ISA");
}

END_TEST

START_TEST (device_takes_instruction_set_from_the_environment)
{
  NpuDevice *device;

  setenv ("NPU_CPU_ISA", "c", 1);
  ck_assert_int_eq (npu_device_open ("auto", NULL, &device, NULL), NPU_OK);
  ck_assert_ptr_nonnull (strstr (npu_device_info (device)->description,
          "c kernels"));
  npu_device_unref (device);
  unsetenv ("NPU_CPU_ISA");
}

END_TEST

START_TEST (device_with_same_options_is_shared)
{
  NpuDeviceOptions two = {.threads = 2 }, three = {.threads = 3 };
  NpuDevice *a, *b, *c;

  ck_assert_int_eq (npu_device_open ("cpu", &two, &a, NULL), NPU_OK);
  ck_assert_int_eq (npu_device_open ("auto", &two, &b, NULL), NPU_OK);
  ck_assert_int_eq (npu_device_open ("cpu", &three, &c, NULL), NPU_OK);
  ck_assert_ptr_eq (a, b);
  ck_assert_ptr_ne (a, c);
  ck_assert_uint_eq (npu_device_info (c)->threads, 3);
  npu_device_unref (a);
  ck_assert_ptr_eq (npu_device_ref (b), b);
  npu_device_unref (b);
  npu_device_unref (b);
  npu_device_unref (c);
  npu_device_unref (NULL);
}

END_TEST

START_TEST (device_describes_itself)
{
  const NpuDeviceInfo *info = npu_device_info (fixture.device);

  ck_assert_str_eq (info->name, "cpu");
  ck_assert_uint_gt (strlen (info->description), 0);
  ck_assert (!info->emulated);
  ck_assert_uint_eq (info->threads, 2);
  ck_assert_uint_ge (info->context_step, 1);
  ck_assert_uint_eq (info->operations, (1u << NPU_OPERATIONS) - 1);
  ck_assert (info->precisions & 1u << info->best_precision);
  ck_assert_uint_eq (info->buffer_alignment % 64, 0);
}

END_TEST

START_TEST (sizes_that_overflow_are_zero)
{
  NpuDevice *device = fixture.device;

  ck_assert_uint_gt (npu_device_activation_size (device, 1500, 512), 0);
  ck_assert_uint_gt (npu_device_cache_size (device, 448, 512), 0);
  ck_assert_uint_gt (npu_stem_scratch_size (device, 1500, 80, 512), 0);
  ck_assert_uint_eq (npu_device_activation_size (device, UINT32_MAX,
          UINT32_MAX), 0);
  ck_assert_uint_eq (npu_device_cache_size (device, UINT32_MAX, UINT32_MAX),
      0);
  ck_assert_uint_eq (npu_stem_scratch_size (device, UINT32_MAX, UINT32_MAX,
          UINT32_MAX), 0);
}

END_TEST

/* ----------------------------------------------------------- buffers */
START_TEST (buffer_is_zeroed_aligned_and_keeps_the_device)
{
  NpuDeviceOptions options = {.threads = 1 };
  NpuDevice *device;
  NpuBuffer *buffer;
  char *memory;

  ck_assert_int_eq (npu_device_open ("cpu", &options, &device, NULL), NPU_OK);
  ck_assert_int_eq (npu_buffer_create (device, 1001, 0, &buffer, NULL),
      NPU_OK);
  npu_device_unref (device);
  memory = npu_buffer_host (buffer);
  ck_assert_uint_eq ((uintptr_t) memory % 64, 0);
  ck_assert_uint_eq (npu_buffer_size (buffer), 1001);
  for (size_t i = 0; i < 1001; i++)
    ck_assert_int_eq (memory[i], 0);
  ck_assert_ptr_eq (npu_buffer_ref (buffer), buffer);
  npu_buffer_unref (buffer);
  npu_buffer_unref (buffer);
  npu_buffer_unref (NULL);
}

END_TEST

START_TEST (buffer_refuses_bad_sizes_and_ranges)
{
  NpuBuffer *buffer;
  NpuError error;

  ck_assert_int_eq (npu_buffer_create (fixture.device, 0, 0, &buffer, &error),
      NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_create (fixture.device, SIZE_MAX / 2, 0,
          &buffer, &error), NPU_ENOMEM);
  ck_assert_ptr_null (buffer);
  ck_assert_int_eq (npu_buffer_create (fixture.device, 100, 0, &buffer,
          &error), NPU_OK);
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, 0, 100),
      NPU_OK);
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_FROM_DEVICE, 100, 0),
      NPU_OK);
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, 1, 100),
      NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, SIZE_MAX, 2),
      NPU_EINVAL);
  npu_buffer_unref (buffer);
}

END_TEST

/* ---------------------------------------------------------- programs */
static NpuStatus
read_zeros (void *user, uint32_t tensor, uint32_t first_row, uint32_t rows,
    float *out)
{
  const NpuTensorDescription *descriptions = user;

  if (strcmp (descriptions[tensor].name, "torn") == 0 && first_row > 0)
    return NPU_EIO;
  memset (out, 0, sizeof (float) * rows * descriptions[tensor].columns);
  return NPU_OK;
}

static NpuStatus
load (NpuPrecision precision, const NpuTensorDescription * descriptions,
    uint32_t tensors, size_t *bytes, NpuError * error)
{
  NpuProgramSource source = { tensors, descriptions, read_zeros,
    (void *) descriptions
  };
  NpuProgram *program;
  NpuStatus status = npu_program_load (fixture.device, precision, &source,
      &program, error);

  if (status == NPU_OK) {
    *bytes = npu_program_bytes (program);
    ck_assert_int_ne (npu_program_precision (program), NPU_PRECISION_AUTO);
    ck_assert_ptr_eq (npu_program_ref (program), program);
    npu_program_unref (program);
  }
  npu_program_unref (program);
  return status;
}

START_TEST (program_takes_less_room_in_lower_precision)
{
  static const NpuTensorDescription matrix[] = {
    {NPU_TENSOR_MATRIX, 640, 500, "weight"},
  };
  size_t float32, bf16, int8, best;

  ck_assert_int_eq (load (NPU_PRECISION_FLOAT32, matrix, 1, &float32, NULL),
      NPU_OK);
  ck_assert_int_eq (load (NPU_PRECISION_BF16, matrix, 1, &bf16, NULL), NPU_OK);
  ck_assert_int_eq (load (NPU_PRECISION_INT8, matrix, 1, &int8, NULL), NPU_OK);
  ck_assert_int_eq (load (NPU_PRECISION_AUTO, matrix, 1, &best, NULL), NPU_OK);
  ck_assert_uint_ge (float32, 640 * 500 * 4);
  ck_assert_uint_lt (bf16, float32 * 0.52);
  ck_assert_uint_lt (int8, float32 * 0.27);
}

END_TEST

START_TEST (program_reports_which_tensor_could_not_be_read)
{
  static const NpuTensorDescription torn[] = {
    {NPU_TENSOR_VECTOR, 1, 10, "bias"}, {NPU_TENSOR_MATRIX, 640, 500, "torn"},
  };
  size_t bytes;
  NpuError error;

  ck_assert_int_eq (load (NPU_PRECISION_FLOAT32, torn, 2, &bytes, &error),
      NPU_EIO);
  ck_assert_ptr_nonnull (strstr (error.message, "torn"));
}

END_TEST

START_TEST (program_refuses_shapes_that_cannot_be)
{
  static const NpuTensorDescription empty[] = {
    {NPU_TENSOR_MATRIX, 0, 5, "empty"}
  };
  static const NpuTensorDescription tall[] = {
    {NPU_TENSOR_VECTOR, 2, 5, "tall"}
  };
  static const NpuTensorDescription huge[] = {
    {NPU_TENSOR_MATRIX, UINT32_MAX, UINT32_MAX, "huge"},
  };
  static const NpuTensorDescription unknown[] = {
    {(NpuTensorKind) 9, 1, 1, "unknown"}
  };
  size_t bytes;
  NpuError error;

  ck_assert_int_eq (load (NPU_PRECISION_FLOAT32, empty, 1, &bytes, &error),
      NPU_EINVAL);
  ck_assert_int_eq (load (NPU_PRECISION_FLOAT32, tall, 1, &bytes, &error),
      NPU_EINVAL);
  ck_assert_int_eq (load (NPU_PRECISION_FLOAT32, unknown, 1, &bytes, &error),
      NPU_EINVAL);
  ck_assert_int_eq (load (NPU_PRECISION_FLOAT32, huge, 1, &bytes, &error),
      NPU_ENOMEM);
  ck_assert_int_eq (load ((NpuPrecision) 77, tall, 1, &bytes, &error),
      NPU_EINVAL);
}

END_TEST

/* ---------------------------------------------------------- equality */
/* A list that goes through every kind of operation but the vocabulary's, for
 * some streams with lengths of their own. */
#define STREAMS 3
#define ROWS_MAX 70

typedef struct
{
  NpuView input[STREAMS];       /* GEMM_INPUTS wide */
  NpuView wide[STREAMS];        /* GEMM_OUTPUTS */
  NpuView normed[STREAMS];      /* WIDTH */
  NpuView states[STREAMS];      /* 3 WIDTH */
  NpuView output[STREAMS];      /* WIDTH, as rows */
} Streams;

static void
create_streams (Fixture * owner, Streams * streams, uint32_t seed_rows)
{
  for (uint32_t s = 0; s < STREAMS; s++) {
    uint32_t rows = 1 + (seed_rows * (s + 1)) % ROWS_MAX;

    streams->input[s] = fixture_activations (owner, rows, GEMM_INPUTS);
    streams->wide[s] = fixture_activations (owner, rows, GEMM_OUTPUTS);
    streams->states[s] = fixture_activations (owner, rows, 3 * WIDTH);
    streams->normed[s] = fixture_activations (owner, rows, WIDTH);
    streams->output[s] = fixture_rows (owner, rows, WIDTH);
    for (uint32_t r = 0; r < rows; r++) {
      for (uint32_t i = 0; i < GEMM_INPUTS; i++)
        activation_row (&streams->input[s], GEMM_INPUTS, r)[i] =
            (float) ((r * 7 + i * 13 + s * 5) % 31) / 15.0f - 1.0f;
      for (uint32_t i = 0; i < 3 * WIDTH; i++)
        activation_row (&streams->states[s], 3 * WIDTH, r)[i] =
            (float) ((r * 11 + i * 3 + s) % 29) / 14.0f - 1.0f;
    }
  }
}

static void
free_streams (Streams * streams)
{
  for (uint32_t s = 0; s < STREAMS; s++) {
    fixture_free_view (&streams->input[s]);
    fixture_free_view (&streams->wide[s]);
    fixture_free_view (&streams->normed[s]);
    fixture_free_view (&streams->states[s]);
    fixture_free_view (&streams->output[s]);
  }
}

/* Streams @first ... @first + @count - 1. */
static void
run_streams (Fixture * owner, Streams * streams, uint32_t first,
    uint32_t count)
{
  NpuAttentionItem items[STREAMS] = { {.position = 0} };
  NpuOperation gemm = {
    .type = NPU_OPERATION_GEMM,
    .batch = count,
    .gemm = {.input = streams->input + first,.output = streams->wide + first,
        .weight = GEMM_WEIGHT,.bias = GEMM_BIAS,.gelu = true},
  };
  NpuOperation attention = {
    .type = NPU_OPERATION_ATTENTION,
    .batch = count,
    .attention = {.items = items,.form = NPU_ATTENTION_FULL,.width = WIDTH,
        .heads = 3},
  };
  NpuOperation norm = {
    .type = NPU_OPERATION_LAYER_NORM,
    .batch = count,
    .layer_norm = {streams->normed + first, streams->output + first, WIDTH,
        NORM_SCALE, NORM_SHIFT, true},
  };

  for (uint32_t s = 0; s < count; s++) {
    items[s].input = streams->states[first + s];
    items[s].output = streams->normed[first + s];
  }
  fixture_run (owner, &gemm);
  fixture_run (owner, &attention);
  fixture_run (owner, &norm);
}

static void
assert_same_bits (const Streams * a, const Streams * b)
{
  for (uint32_t s = 0; s < STREAMS; s++) {
    uint32_t rows = a->input[s].rows;

    for (uint32_t r = 0; r < rows; r++) {
      ck_assert_mem_eq (activation_row (&a->wide[s], GEMM_OUTPUTS, r),
          activation_row (&b->wide[s], GEMM_OUTPUTS, r),
          GEMM_OUTPUTS * sizeof (float));
      ck_assert_mem_eq (plain_row (&a->output[s], WIDTH, r),
          plain_row (&b->output[s], WIDTH, r), WIDTH * sizeof (float));
    }
  }
}

START_TEST (batch_gives_the_same_bits_as_single_views)
{
  Fixture owner;
  Streams together, single;

  if (!fixture_open (&owner, _i, 2, NPU_PRECISION_FLOAT32))
    return;
  for (uint32_t rows = 1; rows < ROWS_MAX; rows += 23) {
    create_streams (&owner, &together, rows);
    create_streams (&owner, &single, rows);
    run_streams (&owner, &together, 0, STREAMS);
    for (uint32_t s = 0; s < STREAMS; s++)
      run_streams (&owner, &single, s, 1);
    assert_same_bits (&together, &single);
    free_streams (&together);
    free_streams (&single);
  }
  fixture_close (&owner);
}

END_TEST

START_TEST (bits_repeat_for_any_number_of_threads)
{
  static const uint32_t threads[] = { 1, 2, 3, 3 };
  Fixture owners[4];
  Streams streams[4];

  for (int i = 0; i < 4; i++) {
    if (!fixture_open (&owners[i], _i, threads[i], NPU_PRECISION_BF16))
      return;
    if (i > 0) {
      /* The same weights for all. */
      npu_program_unref (owners[i].program);
      for (int t = 0; t < TENSORS; t++)
        memcpy (owners[i].weights[t], owners[0].weights[t], sizeof (float)
            * fixture_tensors[t].rows * fixture_tensors[t].columns);
      owners[i].program = fixture_load (&owners[i], NPU_PRECISION_BF16);
    }
    create_streams (&owners[i], &streams[i], 67);
    run_streams (&owners[i], &streams[i], 0, STREAMS);
    run_streams (&owners[i], &streams[i], 0, STREAMS);
    assert_same_bits (&streams[0], &streams[i]);
  }
  for (int i = 0; i < 4; i++) {
    free_streams (&streams[i]);
    fixture_close (&owners[i]);
  }
}

END_TEST

/* ----------------------------------------------------------- queues */
/* A gemm that takes some milliseconds with the portable kernels. */
typedef struct
{
  NpuView input;
  NpuView output;
  NpuOperation operation;
} SlowWork;

static void
create_slow_work (SlowWork * work, uint32_t rows)
{
  work->input = fixture_activations (&fixture, rows, GEMM_INPUTS);
  work->output = fixture_activations (&fixture, rows, GEMM_OUTPUTS);
  fill_activations (&work->input, GEMM_INPUTS);
  work->operation = (NpuOperation) {
    .type = NPU_OPERATION_GEMM,
    .batch = 1,
    .gemm = {.input = &work->input,.output = &work->output,
        .weight = GEMM_WEIGHT,.bias = NPU_NO_TENSOR},
  };
}

static void
free_slow_work (SlowWork * work)
{
  fixture_free_view (&work->input);
  fixture_free_view (&work->output);
}

START_TEST (fence_polls_times_out_and_can_be_used_again)
{
  SlowWork work;
  NpuError error;
  NpuStatus status;

  create_slow_work (&work, 20000);
  ck_assert_int_eq (npu_fence_wait (fixture.fence, 0, &error), NPU_OK);
  for (int round = 0; round < 3; round++) {
    ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
            &work.operation, 1, fixture.fence, &error), NPU_OK);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, 0, &error),
        NPU_ETIMEDOUT);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, 100000, &error),
        NPU_ETIMEDOUT);
    ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
            &work.operation, 1, fixture.fence, &error), NPU_EBUSY);
    do
      status = npu_fence_wait (fixture.fence, 50000000, &error);
    while (status == NPU_ETIMEDOUT);
    ck_assert_int_eq (status, NPU_OK);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER,
            &error), NPU_OK);
  }
  free_slow_work (&work);
}

END_TEST

START_TEST (queue_runs_lists_in_order)
{
  enum
  { LISTS = 50 };
  int32_t tokens[LISTS];
  NpuEmbedItem items[LISTS];
  NpuOperation operations[LISTS];
  NpuFence *fences[LISTS];
  NpuView output = fixture_activations (&fixture, 1, WIDTH);
  NpuQueueStatistics statistics;
  SlowWork work;

  create_slow_work (&work, 5000);
  npu_queue_submit (fixture.queue, fixture.program, &work.operation, 1,
      fixture.fence, NULL);
  for (int i = 0; i < LISTS; i++) {
    tokens[i] = i;
    items[i] = (NpuEmbedItem) { &tokens[i], 0, output };
    operations[i] = (NpuOperation) {
      .type = NPU_OPERATION_EMBED,
      .batch = 1,
      .embed = {&items[i], WIDTH, EMBEDDING, EMBEDDING_POSITIONS},
    };
    ck_assert_int_eq (npu_fence_create (fixture.device, &fences[i], NULL),
        NPU_OK);
    ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
            &operations[i], 1, fences[i], NULL), NPU_OK);
  }
  ck_assert_int_eq (npu_fence_wait (fences[LISTS - 1], NPU_WAIT_FOREVER, NULL),
      NPU_OK);
  /* All others have ended before the last one, whose row is left. */
  for (int i = 0; i < LISTS; i++) {
    ck_assert_int_eq (npu_fence_wait (fences[i], 0, NULL), NPU_OK);
    npu_fence_free (fences[i]);
  }
  ck_assert_int_eq (npu_fence_wait (fixture.fence, 0, NULL), NPU_OK);
  ck_assert_float_eq (activation_row (&output, WIDTH, 0)[0],
      fixture.weights[EMBEDDING][(LISTS - 1) * WIDTH]
      + fixture.weights[EMBEDDING_POSITIONS][0]);
  npu_queue_statistics (fixture.queue, &statistics);
  ck_assert_uint_eq (statistics.submissions, LISTS + 1);
  ck_assert_uint_eq (statistics.failures, 0);
  ck_assert_uint_gt (statistics.busy_ns, 0);
  fixture_free_view (&output);
  free_slow_work (&work);
}

END_TEST

START_TEST (full_queue_is_busy_and_recovers)
{
  enum
  { LISTS = 200 };
  NpuFence *fences[LISTS];
  NpuStatus status[LISTS];
  int taken = 0;
  SlowWork work;
  NpuError error;

  create_slow_work (&work, 20000);
  npu_queue_submit (fixture.queue, fixture.program, &work.operation, 1,
      fixture.fence, NULL);
  for (int i = 0; i < LISTS; i++) {
    npu_fence_create (fixture.device, &fences[i], NULL);
    status[i] = npu_queue_submit (fixture.queue, fixture.program, NULL, 0,
        fences[i], &error);
    ck_assert (status[i] == NPU_OK || status[i] == NPU_EBUSY);
    taken += status[i] == NPU_OK;
  }
  ck_assert_int_ge (taken, 16);
  ck_assert_int_lt (taken, LISTS);
  for (int i = 0; i < LISTS; i++) {
    /* A refused submission leaves its fence idle. */
    ck_assert_int_eq (npu_fence_wait (fences[i], NPU_WAIT_FOREVER, NULL),
        NPU_OK);
    npu_fence_free (fences[i]);
  }
  npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER, NULL);
  fixture_run (&fixture, &work.operation);
  free_slow_work (&work);
}

END_TEST

START_TEST (queue_waits_for_its_lists_when_freed)
{
  NpuQueue *queue;
  SlowWork work;

  create_slow_work (&work, 5000);
  ck_assert_int_eq (npu_queue_create (fixture.device, &queue, NULL), NPU_OK);
  ck_assert_int_eq (npu_queue_submit (queue, fixture.program, &work.operation,
          1, fixture.fence, NULL), NPU_OK);
  npu_queue_free (queue);
  ck_assert_int_eq (npu_fence_wait (fixture.fence, 0, NULL), NPU_OK);
  npu_queue_free (NULL);
  npu_fence_free (NULL);
  free_slow_work (&work);
}

END_TEST

START_TEST (reset_cancels_what_is_pending)
{
  enum
  { LISTS = 20 };
  NpuFence *fences[LISTS];
  int cancelled = 0;
  SlowWork work;
  NpuError error;

  create_slow_work (&work, 20000);
  for (int i = 0; i < LISTS; i++) {
    npu_fence_create (fixture.device, &fences[i], NULL);
    ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
            &work.operation, 1, fences[i], NULL), NPU_OK);
  }
  ck_assert_int_eq (npu_device_reset (fixture.device, &error), NPU_OK);
  for (int i = 0; i < LISTS; i++) {
    NpuStatus status = npu_fence_wait (fences[i], NPU_WAIT_FOREVER, &error);

    ck_assert (status == NPU_OK || status == NPU_ECANCELED);
    cancelled += status == NPU_ECANCELED;
    npu_fence_free (fences[i]);
  }
  ck_assert_int_ge (cancelled, LISTS - 2);
  fixture_run (&fixture, &work.operation);
  free_slow_work (&work);
}

END_TEST

/* What one of several threads does with a queue of its own. */
typedef struct
{
  pthread_t thread;
  uint32_t rows;
  atomic_bool *failed;
} Client;

static void *
work_on_own_queue (void *user)
{
  Client *client = user;
  Fixture own = fixture;
  Streams streams, reference;

  npu_queue_create (fixture.device, &own.queue, NULL);
  npu_fence_create (fixture.device, &own.fence, NULL);
  create_streams (&own, &reference, client->rows);
  run_streams (&own, &reference, 0, STREAMS);
  for (int i = 0; i < 20; i++) {
    create_streams (&own, &streams, client->rows);
    run_streams (&own, &streams, 0, STREAMS);
    for (uint32_t s = 0; s < STREAMS; s++)
      if (memcmp (plain_row (&streams.output[s], WIDTH, 0),
              plain_row (&reference.output[s], WIDTH, 0),
              sizeof (float) * WIDTH * streams.output[s].rows) != 0)
        atomic_store (client->failed, true);
    free_streams (&streams);
  }
  free_streams (&reference);
  npu_queue_free (own.queue);
  npu_fence_free (own.fence);
  return NULL;
}

START_TEST (queues_of_several_threads_do_not_disturb_each_other)
{
  enum
  { CLIENTS = 4 };
  Client clients[CLIENTS];
  atomic_bool failed = false;

  for (uint32_t i = 0; i < CLIENTS; i++) {
    clients[i].rows = 11 + 13 * i;
    clients[i].failed = &failed;
    ck_assert_int_eq (pthread_create (&clients[i].thread, NULL,
            work_on_own_queue, &clients[i]), 0);
  }
  for (int i = 0; i < CLIENTS; i++)
    pthread_join (clients[i].thread, NULL);
  ck_assert (!failed);
}

END_TEST

static Suite *
device_suite (void)
{
  Suite *suite = suite_create ("device");
  TCase *tests = tcase_create ("device");

  tcase_set_timeout (tests, 300);
  tcase_add_checked_fixture (tests, open_fixture, close_fixture);
  tcase_add_test (tests, device_of_unknown_name_is_refused_with_a_list);
  tcase_add_test (tests, device_with_unknown_instruction_set_says_what_there_is);
  tcase_add_test (tests, device_takes_instruction_set_from_the_environment);
  tcase_add_test (tests, device_with_same_options_is_shared);
  tcase_add_test (tests, device_describes_itself);
  tcase_add_test (tests, sizes_that_overflow_are_zero);
  tcase_add_test (tests, buffer_is_zeroed_aligned_and_keeps_the_device);
  tcase_add_test (tests, buffer_refuses_bad_sizes_and_ranges);
  tcase_add_test (tests, program_takes_less_room_in_lower_precision);
  tcase_add_test (tests, program_reports_which_tensor_could_not_be_read);
  tcase_add_test (tests, program_refuses_shapes_that_cannot_be);
  tcase_add_loop_test (tests, batch_gives_the_same_bits_as_single_views, 0,
      ISAS);
  tcase_add_loop_test (tests, bits_repeat_for_any_number_of_threads, 0, ISAS);
  tcase_add_test (tests, fence_polls_times_out_and_can_be_used_again);
  tcase_add_test (tests, queue_runs_lists_in_order);
  tcase_add_test (tests, full_queue_is_busy_and_recovers);
  tcase_add_test (tests, queue_waits_for_its_lists_when_freed);
  tcase_add_test (tests, reset_cancels_what_is_pending);
  tcase_add_test (tests, queues_of_several_threads_do_not_disturb_each_other);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  return fixture_main (device_suite ());
}
