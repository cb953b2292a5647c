/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random sequences of everything that a frame ring can do, beside a model that
 * remembers each frame's value and place by its number. Every frame written
 * anywhere has a value of its own, so that none is taken for another.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ring-fixture.h"
#include "run-suite.h"

#define MAX_CAPACITY 50
#define MAX_LEASES 64
#define MAX_VIEWS 16
#define NO_PLACE UINT32_MAX

typedef struct
{
  NpuRingLease lease;
  float first_value;            /* one more in each frame behind */
  uint32_t committed;
} ModelLease;

typedef struct
{
  float value;
  uint32_t place;               /* where it was committed, NO_PLACE: pushed */
} ModelFrame;

typedef struct
{
  uint64_t first;
  NpuView views[2];
} ModelView;

typedef struct
{
  NpuFrameRing *ring;
  uint32_t capacity;
  uint64_t oldest;
  uint64_t newest;
  uint64_t wanted;
  ModelFrame frames[MAX_CAPACITY];      /* by number modulo the capacity */
  ModelLease leases[MAX_LEASES];
  int lease_count;
  ModelView views[MAX_VIEWS];   /* that are still valid */
  int view_count;
  float next_value;
  uint64_t pushed;
  uint64_t in_place;
} Model;

static uint32_t
below (uint32_t limit)
{
  return (uint32_t) rand () % limit;
}

static ModelFrame *
frame_of (Model * model, uint64_t number)
{
  return &model->frames[number % model->capacity];
}

static uint64_t
space_of (const Model * model)
{
  return model->capacity - (model->newest - model->oldest) +
      (model->wanted > model->newest ? model->wanted - model->newest : 0);
}

/* @value comes next; it is kept or dropped. Returns whether it is kept. */
static bool
add_frame (Model * model, float value, uint32_t place)
{
  if (model->newest < model->wanted) {
    model->oldest = ++model->newest;
    return false;
  }
  *frame_of (model, model->newest++) = (ModelFrame) { value, place };
  return true;
}

static bool
row_is (const float *row, float value)
{
  for (int band = 0; band < BANDS; band++)
    if (row[band] != value)
      return false;
  return true;
}

/* -------------------------------------------------------------- checks */

/* Which places are used: by leases, and by frames kept where they were
 * committed. No two leases share one. */
static void
mark_places (Model * model, bool * used, bool * leased)
{
  memset (used, 0, 3 * MAX_CAPACITY * sizeof (*used));
  memset (leased, 0, 3 * MAX_CAPACITY * sizeof (*leased));
  for (int i = 0; i < model->lease_count; i++) {
    const NpuRingLease *lease = &model->leases[i].lease;
    uint32_t place = (uint32_t) (lease->offset / FRAME_SIZE);

    ck_assert_uint_eq (lease->offset % FRAME_SIZE, 0);
    ck_assert_uint_le (place + lease->frames, 2 * model->capacity);
    for (uint32_t frame = 0; frame < lease->frames; frame++) {
      ck_assert (!leased[place + frame]);
      leased[place + frame] = used[place + frame] = true;
    }
  }
  for (uint64_t number = model->oldest; number < model->newest; number++)
    if (frame_of (model, number)->place != NO_PLACE)
      used[frame_of (model, number)->place] = true;
}

static void
check_counters (Model * model)
{
  NpuRingStatistics statistics;

  npu_ring_statistics (model->ring, &statistics);
  ck_assert_uint_eq (npu_ring_oldest (model->ring), model->oldest);
  ck_assert_uint_eq (npu_ring_newest (model->ring), model->newest);
  ck_assert_uint_eq (npu_ring_space (model->ring), space_of (model));
  ck_assert_uint_eq (statistics.frames_in_place, model->in_place);
  ck_assert_uint_ge (statistics.frames_copied, model->pushed);
  ck_assert_uint_le (statistics.frames_copied,
      model->pushed + model->in_place);
}

/* What somebody has a lease on is as it was written. */
static void
check_leases (Model * model)
{
  int wrong = 0;

  for (int i = 0; i < model->lease_count; i++) {
    const ModelLease *lease = &model->leases[i];

    for (uint32_t frame = 0; frame < lease->lease.frames; frame++)
      wrong += !row_is (lease_row (model->ring, &lease->lease, frame),
          lease->first_value + (float) frame);
  }
  ck_assert_int_eq (wrong, 0);
}

/* The device has what @view describes, and so has the host. */
static void
check_view (Model * model, const ModelView * view)
{
  uint64_t number = view->first;
  int wrong = 0;

  for (int part = 0; part < 2; part++) {
    const NpuView *range = &view->views[part];
    const char *host = range->buffer->host + range->offset;

    ck_assert_uint_le (range->offset + range->rows * FRAME_SIZE,
        range->buffer->size);
    for (uint32_t row = 0; row < range->rows; row++, number++) {
      float value = frame_of (model, number)->value;

      wrong += !row_is (device_row (range, row), value);
      wrong += !row_is ((const float *) (host + row * FRAME_SIZE), value);
    }
  }
  ck_assert_int_eq (wrong, 0);
}

/* Views whose frames were not trimmed hold still. */
static void
check_views (Model * model)
{
  int valid = 0;

  for (int i = 0; i < model->view_count; i++)
    if (model->views[i].first >= model->oldest)
      model->views[valid++] = model->views[i];
  model->view_count = valid;
  for (int i = 0; i < model->view_count; i++)
    check_view (model, &model->views[i]);
}

/* -------------------------------------------------------------- actions */

static void
push_some (Model * model)
{
  uint32_t count = below (20);
  uint64_t space = space_of (model);
  float rows[20 * BANDS];
  uint32_t taken = count < space ? count : (uint32_t) space;

  for (uint32_t i = 0; i < count; i++)
    fill_row (rows + i * BANDS, model->next_value + (float) i);
  ck_assert_uint_eq (npu_ring_push (model->ring, rows, count), taken);
  for (uint32_t i = 0; i < taken; i++)
    model->pushed +=
        add_frame (model, model->next_value + (float) i, NO_PLACE);
  model->next_value += (float) count;
}

/* Is there a free range of @count places to lease? */
static bool
range_is_free (Model * model, uint32_t count)
{
  bool used[3 * MAX_CAPACITY], leased[3 * MAX_CAPACITY];
  uint32_t found = 0;

  mark_places (model, used, leased);
  for (uint32_t place = 0; place < 2 * model->capacity; place++) {
    found = used[place] ? 0 : found + 1;
    if (found == count)
      return true;
  }
  return false;
}

static void
lease_some (Model * model)
{
  uint32_t count = 1 + below (below (4) ? 8 : model->capacity);
  ModelLease *made = &model->leases[model->lease_count];
  bool used[3 * MAX_CAPACITY], leased[3 * MAX_CAPACITY];

  if (model->lease_count == MAX_LEASES || count > model->capacity)
    return;
  if (npu_ring_lease (model->ring, count, &made->lease) != NPU_OK) {
    ck_assert (!range_is_free (model, count));
    return;
  }
  mark_places (model, used, leased);
  for (uint32_t i = 0; i < count; i++)
    ck_assert (!used[made->lease.offset / FRAME_SIZE + i]);
  ck_assert_uint_eq (made->lease.frames, count);
  made->committed = 0;
  made->first_value = model->next_value;
  model->next_value += (float) count;
  for (uint32_t i = 0; i < count; i++)
    fill_row (lease_row (model->ring, &made->lease, i),
        made->first_value + (float) i);
  model->lease_count++;
}

/* Of any lease, not of the oldest one only; all of it or a part. */
static void
commit_some (Model * model)
{
  ModelLease *chosen;
  uint64_t space = space_of (model);
  uint32_t skip, count, taken;

  if (model->lease_count == 0)
    return;
  chosen = &model->leases[below (3) ? 0 :
      below ((uint32_t) model->lease_count)];
  skip = below (3) ? chosen->committed : below (chosen->lease.frames + 2);
  count = chosen->lease.frames - skip;
  if (skip > chosen->lease.frames || below (3) == 0)
    count = below (chosen->lease.frames + 2);
  taken = count < space ? count : (uint32_t) space;
  if (skip < chosen->committed || skip > chosen->lease.frames
      || count > chosen->lease.frames - skip)
    taken = 0;
  ck_assert_uint_eq (npu_ring_commit (model->ring, &chosen->lease, skip,
          count), taken);
  for (uint32_t i = skip; i < skip + taken; i++)
    model->in_place += add_frame (model, chosen->first_value + (float) i,
        (uint32_t) (chosen->lease.offset / FRAME_SIZE) + i);
  if (taken > 0)
    chosen->committed = skip + taken;
}

static void
release_one (Model * model)
{
  NpuRingLease released;
  uint32_t index;

  if (model->lease_count == 0)
    return;
  index = below (2) ? 0 : below ((uint32_t) model->lease_count);
  released = model->leases[index].lease;
  npu_ring_release (model->ring, &released);
  model->lease_count--;
  memmove (&model->leases[index], &model->leases[index + 1],
      ((uint32_t) model->lease_count - index) * sizeof (*model->leases));
  ck_assert_uint_eq (npu_ring_commit (model->ring, &released,
          released.frames, 0), 0);
}

static void
trim_some (Model * model)
{
  uint64_t first = model->oldest + below (model->capacity + 5) / (1 +
      below (3));

  npu_ring_trim (model->ring, first);
  if (first > model->newest) {
    model->oldest = model->newest;
    model->wanted = first > model->wanted ? first : model->wanted;
  } else {
    model->oldest = first;
  }
}

static void
reset_all (Model * model)
{
  uint64_t first = below (5) ? (uint64_t) rand () : model->newest / 2;

  if (below (20) != 0)
    return;
  npu_ring_reset (model->ring, first);
  model->oldest = model->newest = model->wanted = first;
  model->view_count = 0;
}

/* Every range is one of frames before @end that the device lacks. */
static void
upload (Model * model, uint64_t end)
{
  NpuView views[2];
  int wrong = 0;
  bool more;

  do {
    more = npu_ring_to_upload (model->ring, end, views);
    for (int part = 0; part < 2; part++) {
      const char *host = views[part].buffer->host + views[part].offset;

      for (uint32_t row = 0; row < views[part].rows; row++) {
        const float *values = (const float *) (host + row * FRAME_SIZE);
        bool kept = false;

        for (uint64_t i = model->oldest; i < end && i < model->newest; i++)
          kept |= frame_of (model, i)->value == values[0];
        wrong += !kept;
        wrong += row_is (device_row (&views[part], row), values[0]);
      }
      ck_assert_int_eq (npu_buffer_sync (views[part].buffer,
              NPU_SYNC_TO_DEVICE, views[part].offset,
              views[part].rows * FRAME_SIZE), NPU_OK);
    }
  } while (more);
  ck_assert_int_eq (wrong, 0);
}

static void
view_some (Model * model)
{
  uint32_t kept = (uint32_t) (model->newest - model->oldest);
  uint64_t first = model->oldest + below (kept + 1);
  uint32_t count = (uint32_t) (model->newest - first);
  float peak = -10;
  ModelView view;

  if (below (2))
    count = below (count + 1);
  view.first = first;
  ck_assert_int_eq (npu_ring_view (model->ring, first, count + kept + 1,
          view.views), NPU_EINVAL);
  ck_assert_int_eq (npu_ring_view (model->ring, first, count, view.views),
      NPU_OK);
  ck_assert_uint_eq (view.views[0].rows + view.views[1].rows, count);
  upload (model, first + count);
  check_view (model, &view);
  for (uint32_t i = 0; i < count; i++)
    if (frame_of (model, first + i)->value > peak)
      peak = frame_of (model, first + i)->value;
  ck_assert (npu_ring_peak (model->ring, first, count) == peak);
  if (model->view_count < MAX_VIEWS)
    model->views[model->view_count++] = view;
}

static void
run_random_sequence (void)
{
  static void (*const actions[]) (Model *) = {
    push_some, lease_some, commit_some, release_one, trim_some, view_some,
    reset_all
  };
  Model model = { .capacity = 1 + below (MAX_CAPACITY), .next_value = 1 };
  uint32_t weights[7], sum = 0;

  model.ring = make_ring (model.capacity);
  for (int i = 0; i < 7; i++)
    sum += weights[i] = 1 + below (10);
  for (int step = 0; step < 600; step++) {
    uint32_t chosen = below (sum);
    int action = 0;

    while (chosen >= weights[action])
      chosen -= weights[action++];
    actions[action] (&model);
    check_counters (&model);
    check_leases (&model);
    check_views (&model);
  }
  npu_ring_unref (model.ring);
}

START_TEST (random_sequences_equal_the_model)
{
  unsigned seed = (unsigned) time (NULL);

  if (getenv ("NPU_TEST_SEED"))
    seed = (unsigned) strtoul (getenv ("NPU_TEST_SEED"), NULL, 0);
  printf ("NPU_TEST_SEED=%u\n", seed);
  fflush (stdout);
  srand (seed);
  for (int i = 0; i < 150; i++)
    run_random_sequence ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ring-random");
  TCase *tests = tcase_create ("ring-random");

  tcase_add_test (tests, random_sequences_equal_the_model);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
