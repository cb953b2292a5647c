/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of models in use: sharing, loading in the background, failures. This
 * program's own npu_program_load() stands before the library's, so that a load
 * can be made to fail or to last.
 */
#include "model/model.h"

#include <check.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model-writer.h"
#include "run-suite.h"

#define MILLISECOND 1000000u

static atomic_int load_failures;        /* the next loads end with NPU_EIO */
static atomic_bool hold_loads;  /* loads read on and on */
static atomic_int loads;
static atomic_bool lacks_int8;

NpuStatus
npu_program_load (NpuDevice * device, NpuPrecision precision,
    const NpuProgramSource * source, NpuProgram ** program, NpuError * error)
{
  NpuStatus (*real) (NpuDevice *, NpuPrecision, const NpuProgramSource *,
      NpuProgram **, NpuError *);
  float row[256];

  atomic_fetch_add (&loads, 1);
  while (atomic_load (&hold_loads)) {
    NpuStatus status = source->read (source->user, 1, 0, 1, row);

    if (status != NPU_OK)
      return npu_error_set (error, status, "the read was refused");
    usleep (1000);
  }
  if (atomic_fetch_sub (&load_failures, 1) > 0)
    return NPU_EIO;
  *(void **) &real = dlsym (RTLD_NEXT, "npu_program_load");
  return real (device, precision, source, program, error);
}

const NpuDeviceInfo *
npu_device_info (const NpuDevice * device)
{
  const NpuDeviceInfo *(*real) (const NpuDevice *);
  static NpuDeviceInfo info;

  *(void **) &real = dlsym (RTLD_NEXT, "npu_device_info");
  if (!atomic_load (&lacks_int8))
    return real (device);
  info = *real (device);
  info.precisions &= ~(1u << NPU_PRECISION_INT8);
  return &info;
}

static NpuDevice *device;
static const char *path;

static void
setup (void)
{
  WrittenModel *written = written_model_new (&model_spec_small);
  Buffer buffer = written_model_ggml (written, NULL);

  path = test_path ("model.bin");
  write_file (path, buffer.data, buffer.size);
  buffer_clear (&buffer);
  written_model_free (written);
  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, NULL), NPU_OK);
  atomic_store (&load_failures, 0);
  atomic_store (&hold_loads, false);
  atomic_store (&lacks_int8, false);
  atomic_store (&loads, 0);
}

static void
teardown (void)
{
  npu_device_unref (device);
}

static NpuModel *
open_model (NpuPrecision precision)
{
  NpuError error;
  NpuModel *model;
  NpuStatus status = npu_model_open (path, device, precision, &model, &error);

  ck_assert_msg (status == NPU_OK, "%s", error.message);
  return model;
}

START_TEST (the_same_file_gives_the_same_model)
{
  NpuModel *first = open_model (NPU_PRECISION_FLOAT32);
  NpuModel *second = open_model (NPU_PRECISION_FLOAT32);
  char name[512];
  NpuModel *linked;

  ck_assert_ptr_eq (first, second);
  snprintf (name, sizeof (name), "%s.link", path);
  ck_assert_int_eq (symlink (path, name), 0);
  ck_assert_int_eq (npu_model_open (name, device, NPU_PRECISION_FLOAT32,
          &linked, NULL), NPU_OK);
  ck_assert_ptr_eq (first, linked);
  npu_model_unref (first);
  npu_model_unref (second);
  npu_model_unref (linked);
}
END_TEST

START_TEST (another_precision_is_another_model)
{
  NpuModel *first = open_model (NPU_PRECISION_FLOAT32);
  NpuModel *second = open_model (NPU_PRECISION_BF16);
  NpuModel *automatic = open_model (NPU_PRECISION_AUTO);

  ck_assert_ptr_ne (first, second);
  ck_assert_int_ne (npu_model_precision (automatic), NPU_PRECISION_AUTO);
  npu_model_unref (first);
  npu_model_unref (second);
  npu_model_unref (automatic);
}
END_TEST

START_TEST (a_file_put_in_the_place_of_another_is_another_model)
{
  ModelSpec spec = model_spec_small;
  NpuModel *first = open_model (NPU_PRECISION_FLOAT32);
  WrittenModel *written;
  Buffer buffer;
  NpuModel *second;

  spec.seed++;
  written = written_model_new (&spec);
  buffer = written_model_ggml (written, NULL);
  ck_assert_int_eq (unlink (path), 0);
  write_file (path, buffer.data, buffer.size);
  second = open_model (NPU_PRECISION_FLOAT32);
  ck_assert_ptr_ne (first, second);
  ck_assert_str_ne (npu_model_digest (first), npu_model_digest (second));
  npu_model_unref (first);
  npu_model_unref (second);
  buffer_clear (&buffer);
  written_model_free (written);
}
END_TEST

START_TEST (a_model_can_be_opened_again_after_its_end)
{
  for (int i = 0; i < 3; i++) {
    NpuModel *model = open_model (NPU_PRECISION_FLOAT32);

    for (int part = 0; part < NPU_MODEL_PARTS; part++) {
      ck_assert_ptr_null (npu_model_program (model, part));
      ck_assert_int_eq (npu_model_wait (model, part, NPU_WAIT_FOREVER, NULL),
          NPU_OK);
      ck_assert_ptr_nonnull (npu_model_program (model, part));
    }
    npu_model_unref (model);
  }
  ck_assert_int_eq (atomic_load (&loads), 3 * NPU_MODEL_PARTS);
}
END_TEST

START_TEST (weights_are_loaded_once_in_the_background)
{
  NpuModel *model = open_model (NPU_PRECISION_FLOAT32);

  atomic_store (&hold_loads, true);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq (npu_model_load (model, NPU_MODEL_ENCODER, NULL),
        NPU_OK);
  ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_ENCODER, 0, NULL),
      NPU_ETIMEDOUT);
  ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_ENCODER,
          5 * MILLISECOND, NULL), NPU_ETIMEDOUT);
  ck_assert_ptr_null (npu_model_program (model, NPU_MODEL_ENCODER));
  atomic_store (&hold_loads, false);
  ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_ENCODER,
          NPU_WAIT_FOREVER - 1, NULL), NPU_OK);
  ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_ENCODER, 0, NULL),
      NPU_OK);
  ck_assert_int_eq (atomic_load (&loads), 1);
  npu_model_unref (model);
}
END_TEST

START_TEST (a_failed_load_gives_the_same_reason_for_ever)
{
  NpuModel *model = open_model (NPU_PRECISION_FLOAT32);

  atomic_store (&load_failures, 1);
  for (int i = 0; i < 3; i++) {
    NpuError error = { NPU_OK, "" };

    ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_DECODER,
            NPU_WAIT_FOREVER, &error), NPU_EIO);
    ck_assert_int_eq (error.status, NPU_EIO);
    ck_assert_ptr_nonnull (strstr (error.message, path));
  }
  ck_assert_ptr_null (npu_model_program (model, NPU_MODEL_DECODER));
  ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_ENCODER,
          NPU_WAIT_FOREVER, NULL), NPU_OK);
  npu_model_unref (model);

  model = open_model (NPU_PRECISION_FLOAT32);
  ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_DECODER,
          NPU_WAIT_FOREVER, NULL), NPU_OK);
  npu_model_unref (model);
}
END_TEST

START_TEST (the_last_reference_ends_a_load_under_way)
{
  NpuModel *model = open_model (NPU_PRECISION_FLOAT32);

  atomic_store (&hold_loads, true);
  ck_assert_int_eq (npu_model_load (model, NPU_MODEL_ENCODER, NULL), NPU_OK);
  ck_assert_int_eq (npu_model_load (model, NPU_MODEL_DECODER, NULL), NPU_OK);
  npu_model_unref (npu_model_ref (model));
  npu_model_unref (model);
}
END_TEST

START_TEST (a_precision_that_the_device_lacks_is_refused)
{
  NpuModel *model;
  NpuError error;

  atomic_store (&lacks_int8, true);
  ck_assert_int_eq (npu_model_open (path, device, NPU_PRECISION_INT8, &model,
          &error), NPU_ENOTSUP);
  ck_assert_ptr_nonnull (strstr (error.message, "int8"));
  ck_assert_int_eq (npu_model_open (path, device, NPU_PRECISIONS, &model,
          &error), NPU_EINVAL);
}
END_TEST

START_TEST (a_missing_file_and_a_missing_part_are_refused)
{
  NpuModel *model = open_model (NPU_PRECISION_FLOAT32);
  NpuModel *other;
  NpuError error;

  ck_assert_int_eq (npu_model_open ("/nowhere/model.bin", device,
          NPU_PRECISION_AUTO, &other, &error), NPU_EIO);
  ck_assert_int_eq (npu_model_load (model, NPU_MODEL_PARTS, &error),
      NPU_EINVAL);
  ck_assert_int_eq (npu_model_wait (model, NPU_MODEL_PARTS, 0, &error),
      NPU_EINVAL);
  ck_assert_ptr_null (npu_model_program (model, NPU_MODEL_PARTS));
  npu_model_unref (model);
  npu_model_unref (NULL);
}
END_TEST

static void *
open_and_load (void *user)
{
  for (int i = 0; i < 10; i++) {
    NpuModel *model = NULL;

    if (npu_model_open (path, device, NPU_PRECISION_FLOAT32, &model,
            NULL) != NPU_OK ||
        npu_model_wait (model, i % NPU_MODEL_PARTS, NPU_WAIT_FOREVER,
            NULL) != NPU_OK)
      return user;
    npu_model_unref (model);
  }
  return NULL;
}

START_TEST (many_threads_may_open_load_and_leave_a_model)
{
  pthread_t threads[4];
  char failure;                 /* its address says that a thread failed */

  for (int i = 0; i < 4; i++)
    ck_assert_int_eq (pthread_create (&threads[i], NULL, open_and_load,
            &failure), 0);
  for (int i = 0; i < 4; i++) {
    void *failed;

    pthread_join (threads[i], &failed);
    ck_assert_ptr_null (failed);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("model");
  TCase *tests = tcase_create ("model");

  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_test (tests, the_same_file_gives_the_same_model);
  tcase_add_test (tests, another_precision_is_another_model);
  tcase_add_test (tests, a_file_put_in_the_place_of_another_is_another_model);
  tcase_add_test (tests, a_model_can_be_opened_again_after_its_end);
  tcase_add_test (tests, weights_are_loaded_once_in_the_background);
  tcase_add_test (tests, a_failed_load_gives_the_same_reason_for_ever);
  tcase_add_test (tests, the_last_reference_ends_a_load_under_way);
  tcase_add_test (tests, a_precision_that_the_device_lacks_is_refused);
  tcase_add_test (tests, a_missing_file_and_a_missing_part_are_refused);
  tcase_add_test (tests, many_threads_may_open_load_and_leave_a_model);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
