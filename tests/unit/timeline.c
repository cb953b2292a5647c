/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The timeline's file, read back with jansson.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "count-allocations.h"
#include "pipeline/timeline.h"
#include "run-suite.h"

#define MS UINT64_C (1000000)

static char folder[64];
static char path[128];

static void
make_folder (void)
{
  strcpy (folder, "/tmp/npu-timeline-XXXXXX");
  ck_assert_ptr_nonnull (mkdtemp (folder));
  snprintf (path, sizeof (path), "%s/trace.json", folder);
}

static void
remove_folder (void)
{
  unlink (path);
  rmdir (folder);
}

static void
pause_ms (long ms)
{
  struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

  nanosleep (&time, NULL);
}

static void
start (void)
{
  NpuError error = { 0 };

  ck_assert_msg (npu_timeline_start (path, &error) == NPU_OK, "%s",
      error.message);
}

static json_t *
read_file (void)
{
  json_error_t error;
  json_t *root = json_load_file (path, JSON_REJECT_DUPLICATES, &error);

  ck_assert_msg (root != NULL, "line %d: %s", error.line, error.text);
  return root;
}

static json_int_t
dropped_in (json_t * root)
{
  json_t *dropped = json_object_get (json_object_get (root, "otherData"),
      "dropped");

  ck_assert (json_is_integer (dropped));
  return json_integer_value (dropped);
}

static const char *
fact_in (json_t * root, const char *key)
{
  return json_string_value (json_object_get (json_object_get (root,
              "otherData"), key));
}

/* The number of spans; with @id not negative, of those with it. */
static json_int_t
count_spans (json_t * root, json_int_t id)
{
  json_t *event;
  json_int_t count = 0;
  size_t i;

  json_array_foreach (json_object_get (root, "traceEvents"), i, event) {
    json_t *value = json_object_get (json_object_get (event, "args"), "id");

    if (strcmp (json_string_value (json_object_get (event, "ph")), "X") == 0 &&
        (id < 0 || json_integer_value (value) == id))
      count++;
  }
  return count;
}

static json_t *
find_span (json_t * root, NpuLane lane, json_int_t id)
{
  json_t *event;
  size_t i;

  json_array_foreach (json_object_get (root, "traceEvents"), i, event) {
    json_t *value = json_object_get (json_object_get (event, "args"), "id");

    if (strcmp (json_string_value (json_object_get (event, "ph")), "X") == 0 &&
        json_integer_value (json_object_get (event, "tid")) == (int) lane &&
        json_integer_value (value) == id)
      return event;
  }
  return NULL;
}

static double
number_of (json_t * event, const char *key)
{
  json_t *number = json_object_get (event, key);

  ck_assert (json_is_real (number));
  return json_real_value (number);
}

START_TEST (every_span_is_in_its_lane_at_its_time)
{
  json_t *root;

  start ();
  for (int lane = 0; lane < NPU_LANES; lane++)
    for (uint64_t id = 0; id < 100; id++) {
      uint64_t begin = 123456789012345 + id * MS + (uint64_t) lane;

      npu_timeline_record ((NpuLane) lane, id, begin, begin + 1001 * (id + 1));
    }
  npu_timeline_stop ();

  root = read_file ();
  ck_assert_int_eq (count_spans (root, -1), 100 * NPU_LANES);
  for (int lane = 0; lane < NPU_LANES; lane++)
    for (int id = 0; id < 100; id++) {
      json_t *span = find_span (root, (NpuLane) lane, id);

      ck_assert_ptr_nonnull (span);
      ck_assert_double_eq_tol (number_of (span, "ts"),
          123456789012.345 + id * 1000 + lane * 1e-3, 4e-4);
      ck_assert_double_eq_tol (number_of (span, "dur"), 1.001 * (id + 1), 1e-6);
      ck_assert_int_eq (json_integer_value (json_object_get (span, "pid")), 1);
    }
  ck_assert_int_eq (dropped_in (root), 0);
  json_decref (root);
}
END_TEST

START_TEST (lanes_are_named_and_in_order)
{
  static const char *const names[] = {
    "capture", "mel", "to-device", "run", "from-device", "decode"
  };
  json_t *root, *event;
  int named[NPU_LANES] = { 0 }, sorted[NPU_LANES] = { 0 };
  size_t i;

  start ();
  npu_timeline_stop ();
  root = read_file ();
  json_array_foreach (json_object_get (root, "traceEvents"), i, event) {
    const char *name = json_string_value (json_object_get (event, "name"));
    json_t *args = json_object_get (event, "args");
    json_int_t lane = json_integer_value (json_object_get (event, "tid"));

    if (strcmp (name, "thread_name") == 0) {
      ck_assert_str_eq (json_string_value (json_object_get (args, "name")),
          names[lane]);
      ck_assert_str_eq (npu_lane_name ((NpuLane) lane), names[lane]);
      named[lane]++;
    } else if (strcmp (name, "thread_sort_index") == 0) {
      ck_assert_int_eq (json_integer_value (json_object_get (args,
                  "sort_index")), lane);
      sorted[lane]++;
    }
  }
  for (int lane = 0; lane < NPU_LANES; lane++)
    ck_assert (named[lane] == 1 && sorted[lane] == 1);
  json_decref (root);
}
END_TEST

START_TEST (a_span_that_ends_before_it_starts_has_no_length)
{
  json_t *root;

  start ();
  npu_timeline_record (NPU_LANE_RUN, UINT64_MAX, 5000, 4000);
  npu_timeline_record ((NpuLane) NPU_LANES, 1, 5000, 6000);
  npu_timeline_stop ();
  root = read_file ();
  ck_assert_int_eq (count_spans (root, -1), 1);
  ck_assert (number_of (find_span (root, NPU_LANE_RUN, INT64_MAX), "dur") == 0);
  json_decref (root);
}
END_TEST

/* More than memory holds in many of the writer's intervals. */
#define BURST 2000000

START_TEST (spans_that_do_not_fit_are_dropped_and_counted)
{
  json_t *root;

  start ();
  for (uint64_t id = 0; id < BURST; id++)
    npu_timeline_record (NPU_LANE_RUN, id, id, id + 1);
  npu_timeline_stop ();
  root = read_file ();
  ck_assert_int_gt (dropped_in (root), 1000);
  ck_assert_int_eq (count_spans (root, -1) + dropped_in (root), BURST);
  json_decref (root);
}
END_TEST

START_TEST (spans_over_many_intervals_are_all_there)
{
  json_t *root;

  start ();
  for (uint64_t id = 0; id < 40000; id++) {
    npu_timeline_record (NPU_LANE_RUN, id, id, id + 1);
    if (id % 4000 == 0)
      pause_ms (250);
  }
  npu_timeline_stop ();
  root = read_file ();
  ck_assert_int_eq (dropped_in (root), 0);
  ck_assert_int_eq (count_spans (root, -1), 40000);
  for (int id = 0; id < 40000; id += 3999)
    ck_assert_int_eq (count_spans (root, id), 1);
  json_decref (root);
}
END_TEST

START_TEST (two_starts_need_two_stops)
{
  json_t *root;

  start ();
  start ();
  npu_timeline_record (NPU_LANE_RUN, 1, 10, 20);
  npu_timeline_stop ();
  ck_assert (npu_timeline_started ());
  npu_timeline_record (NPU_LANE_RUN, 2, 30, 40);
  npu_timeline_stop ();
  ck_assert (!npu_timeline_started ());
  root = read_file ();
  ck_assert_int_eq (count_spans (root, -1), 2);
  json_decref (root);
}
END_TEST

START_TEST (the_same_file_by_another_name_is_no_other_file)
{
  char other[160];

  snprintf (other, sizeof (other), "%s/./trace.json", folder);
  start ();
  ck_assert_int_eq (npu_timeline_start (other, NULL), NPU_OK);
  npu_timeline_stop ();
  npu_timeline_stop ();
  ck_assert (!npu_timeline_started ());
}
END_TEST

START_TEST (a_second_file_is_refused_while_one_is_written)
{
  char other[160];
  NpuError error = { 0 };

  snprintf (other, sizeof (other), "%s/other.json", folder);
  start ();
  ck_assert_int_eq (npu_timeline_start (other, &error), NPU_EBUSY);
  ck_assert_ptr_nonnull (strstr (error.message, path));
  ck_assert_ptr_nonnull (strstr (error.message, other));
  ck_assert_int_ne (access (other, F_OK), 0);
  npu_timeline_stop ();
  ck_assert (!npu_timeline_started ());
  ck_assert_int_eq (npu_timeline_start (other, &error), NPU_OK);
  npu_timeline_stop ();
  unlink (other);
}
END_TEST

START_TEST (an_unwritable_path_is_refused_with_its_name)
{
  static const char *const bad[] = {
    "/nonexistent/trace.json", "/dev/null", "/tmp", ""
  };

  for (size_t i = 0; i < sizeof (bad) / sizeof (bad[0]); i++) {
    NpuError error = { 0 };

    ck_assert_int_eq (npu_timeline_start (bad[i], &error), NPU_EIO);
    ck_assert_ptr_nonnull (strstr (error.message, bad[i]));
    ck_assert (!npu_timeline_started ());
  }
  ck_assert_int_eq (npu_timeline_start (NULL, NULL), NPU_EIO);
}
END_TEST

START_TEST (a_pipe_that_nobody_reads_does_not_block_the_start)
{
  ck_assert_int_eq (mkfifo (path, 0600), 0);
  ck_assert_int_eq (npu_timeline_start (path, NULL), NPU_EIO);
}
END_TEST

START_TEST (nothing_happens_while_none_is_started)
{
  json_t *root;

  npu_timeline_record (NPU_LANE_RUN, 1, 10, 20);
  npu_timeline_describe ("device", "cpu");
  npu_timeline_stop ();
  start ();
  npu_timeline_stop ();
  npu_timeline_record (NPU_LANE_RUN, 2, 10, 20);
  root = read_file ();
  ck_assert_int_eq (count_spans (root, -1), 0);
  ck_assert_ptr_null (fact_in (root, "device"));
  json_decref (root);
}
END_TEST

START_TEST (an_older_longer_file_is_overwritten)
{
  json_t *root;

  start ();
  for (uint64_t id = 0; id < 1000; id++)
    npu_timeline_record (NPU_LANE_RUN, id, id, id + 1);
  npu_timeline_stop ();
  start ();
  npu_timeline_record (NPU_LANE_RUN, 7, 10, 20);
  npu_timeline_stop ();
  root = read_file ();
  ck_assert_int_eq (count_spans (root, -1), 1);
  json_decref (root);
}
END_TEST

START_TEST (the_last_value_of_a_fact_stands)
{
  json_t *root;

  start ();
  npu_timeline_describe ("device", "a device with a long description");
  npu_timeline_describe ("clock", "\"quoted\" \\ and\nbroken");
  pause_ms (250);
  npu_timeline_describe ("device", "emu");
  npu_timeline_describe ("file", "latin \xe4.bin");
  npu_timeline_describe ("dropped", "none, honestly");
  npu_timeline_stop ();
  root = read_file ();
  ck_assert_str_eq (fact_in (root, "device"), "emu");
  ck_assert_str_eq (fact_in (root, "clock"), "\"quoted\" \\ and\nbroken");
  ck_assert_str_eq (fact_in (root, "file"), "latin ?.bin");
  ck_assert_int_eq (dropped_in (root), 0);
  json_decref (root);
}
END_TEST

START_TEST (a_fact_that_is_too_long_spoils_nothing)
{
  char *text = malloc (100001);
  json_t *root;

  memset (text, 'x', 100000);
  text[100000] = '\0';
  start ();
  npu_timeline_describe ("device", "emu");
  npu_timeline_describe ("story", text);
  npu_timeline_describe ("clock", "virtual");
  npu_timeline_stop ();
  free (text);
  root = read_file ();
  ck_assert_str_eq (fact_in (root, "device"), "emu");
  ck_assert_str_eq (fact_in (root, "clock"), "virtual");
  ck_assert_ptr_null (fact_in (root, "story"));
  json_decref (root);
}
END_TEST

START_TEST (the_file_is_whole_before_the_stop)
{
  json_int_t count = 0;

  start ();
  for (uint64_t id = 0; id < 3; id++) {
    npu_timeline_record (NPU_LANE_RUN, id, id, id + 1);
    for (int i = 0; i < 100 && count <= (json_int_t) id; i++) {
      json_t *root;

      pause_ms (150);
      root = json_load_file (path, 0, NULL);
      count = root ? count_spans (root, -1) : count;
      json_decref (root);
    }
    ck_assert_int_eq (count, (json_int_t) id + 1);
  }
  npu_timeline_stop ();
}
END_TEST

START_TEST (a_full_disk_leaves_a_whole_file_and_a_count)
{
  struct rlimit limit = { 20000, 20000 };
  json_t *root;

  signal (SIGXFSZ, SIG_IGN);
  start ();
  ck_assert_int_eq (setrlimit (RLIMIT_FSIZE, &limit), 0);
  for (uint64_t round = 0; round < 5; round++) {
    for (uint64_t id = 0; id < 50; id++)
      npu_timeline_record (NPU_LANE_RUN, id, id, id + 1);
    pause_ms (250);
  }
  npu_timeline_stop ();
  root = read_file ();
  ck_assert_int_ge (count_spans (root, -1), 50);
  ck_assert_int_gt (dropped_in (root), 0);
  ck_assert_int_eq (count_spans (root, -1) + dropped_in (root), 250);
  json_decref (root);
}
END_TEST

#define HAMMERS 4
#define BLOWS 50000

static atomic_bool hammering;

static void *
hammer (void *data)
{
  uint64_t id = (uint64_t) (intptr_t) data;

  for (int i = 0; i < BLOWS; i++)
    npu_timeline_record ((NpuLane) (i % NPU_LANES), id, 1000, 2000);
  return NULL;
}

START_TEST (four_threads_lose_no_span_uncounted)
{
  pthread_t threads[HAMMERS];
  json_t *root;

  start ();
  for (intptr_t i = 0; i < HAMMERS; i++)
    pthread_create (&threads[i], NULL, hammer, (void *) i);
  for (int i = 0; i < HAMMERS; i++)
    pthread_join (threads[i], NULL);
  npu_timeline_stop ();
  root = read_file ();
  ck_assert_int_eq (count_spans (root, -1) + dropped_in (root),
      HAMMERS * BLOWS);
  json_decref (root);
}
END_TEST

static void *
hammer_until_told (void *data)
{
  uint64_t id = 0;

  while (atomic_load (&hammering)) {
    npu_timeline_record (NPU_LANE_RUN, id++, 1000, 2000);
    if (id % 1000 == 0)
      pause_ms (1);
  }
  return NULL;
}

START_TEST (starts_and_stops_under_fire_leave_whole_files)
{
  pthread_t threads[HAMMERS];
  json_int_t spans = 0;

  atomic_store (&hammering, true);
  for (int i = 0; i < HAMMERS; i++)
    pthread_create (&threads[i], NULL, hammer_until_told, NULL);
  for (int i = 0; i < 30; i++) {
    json_t *root;

    start ();
    npu_timeline_describe ("device", "emu");
    pause_ms (i % 7);
    npu_timeline_stop ();
    root = read_file ();
    spans += count_spans (root, -1);
    json_decref (root);
  }
  atomic_store (&hammering, false);
  for (int i = 0; i < HAMMERS; i++)
    pthread_join (threads[i], NULL);
  ck_assert_int_gt (spans, 0);
}
END_TEST

START_TEST (recording_allocates_nothing)
{
  long before;

  start ();
  npu_timeline_describe ("device", "emu");
  pause_ms (250);
  before = allocations_so_far ();
  for (uint64_t id = 0; id < 20000; id++) {
    npu_timeline_record (NPU_LANE_RUN, id, id * MS, (id + 1) * MS);
    if (id % 2000 == 0)
      pause_ms (120);
  }
  pause_ms (250);
  ck_assert_int_eq (allocations_so_far () - before, 0);
  npu_timeline_stop ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("timeline");
  TCase *tests = tcase_create ("timeline");

  tcase_add_checked_fixture (tests, make_folder, remove_folder);
  tcase_add_test (tests, every_span_is_in_its_lane_at_its_time);
  tcase_add_test (tests, lanes_are_named_and_in_order);
  tcase_add_test (tests, a_span_that_ends_before_it_starts_has_no_length);
  tcase_add_test (tests, spans_that_do_not_fit_are_dropped_and_counted);
  tcase_add_test (tests, spans_over_many_intervals_are_all_there);
  tcase_add_test (tests, two_starts_need_two_stops);
  tcase_add_test (tests, the_same_file_by_another_name_is_no_other_file);
  tcase_add_test (tests, a_second_file_is_refused_while_one_is_written);
  tcase_add_test (tests, an_unwritable_path_is_refused_with_its_name);
  tcase_add_test (tests, a_pipe_that_nobody_reads_does_not_block_the_start);
  tcase_add_test (tests, nothing_happens_while_none_is_started);
  tcase_add_test (tests, an_older_longer_file_is_overwritten);
  tcase_add_test (tests, the_last_value_of_a_fact_stands);
  tcase_add_test (tests, a_fact_that_is_too_long_spoils_nothing);
  tcase_add_test (tests, the_file_is_whole_before_the_stop);
  tcase_add_test (tests, a_full_disk_leaves_a_whole_file_and_a_count);
  tcase_add_test (tests, four_threads_lose_no_span_uncounted);
  tcase_add_test (tests, starts_and_stops_under_fire_leave_whole_files);
  tcase_add_test (tests, recording_allocates_nothing);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
