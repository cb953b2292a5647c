/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which model to use when none was named.
 */
#include "model/model-file-private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER "gst-npu/models"
#define SYSTEM_FOLDERS "/usr/local/share:/usr/share"

/* The value of an environment variable, NULL when unset or empty. */
static const char *
environment (const char *name)
{
  const char *value = getenv (name);

  return value && *value ? value : NULL;
}

/* Puts the reason for the choice before an error's message. */
static NpuStatus
open_because (const char *path, const char *reason, NpuModelFile ** file,
    NpuError * error)
{
  NpuStatus status = npu_model_file_open (path, file, error);

  if (status != NPU_OK && error) {
    char message[NPU_ERROR_LENGTH];

    memcpy (message, error->message, sizeof (message));
    npu_error_set (error, status, "%s: %s", reason, message);
    npu_model_make_printable (error->message);
  }
  return status;
}

/* Opens the default model in the data folder @base, of @length bytes, if there
 * is one: then @file is not NULL or the status is an error. */
static NpuStatus
open_in_folder (const char *base, size_t length, NpuModelFile ** file,
    NpuError * error)
{
  static const char *const names[] = { "default", "default.bin" };

  /* the XDG specification: relative paths are to be ignored */
  if (length == 0 || base[0] != '/')
    return NPU_OK;
  for (size_t i = 0; i < sizeof (names) / sizeof (names[0]); i++) {
    char path[PATH_MAX];
    struct stat status;
    int needed = snprintf (path, sizeof (path), "%.*s/" FOLDER "/%s",
        (int) length, base, names[i]);

    /* a dangling link exists too: somebody meant it to be the model */
    if (needed < 0 || (size_t) needed >= sizeof (path)
        || lstat (path, &status) < 0)
      continue;
    return open_because (path, "default model", file, error);
  }
  return NPU_OK;
}

static NpuStatus
open_in_user_folder (NpuModelFile ** file, NpuError * error)
{
  const char *data_home = environment ("XDG_DATA_HOME");
  const char *home = environment ("HOME");
  char path[PATH_MAX];
  int needed;

  if (data_home)
    return open_in_folder (data_home, strnlen (data_home, PATH_MAX), file,
        error);
  if (!home)
    return NPU_OK;
  needed = snprintf (path, sizeof (path), "%s/.local/share", home);
  if (needed < 0 || (size_t) needed >= sizeof (path))
    return NPU_OK;
  return open_in_folder (path, strlen (path), file, error);
}

static NpuStatus
open_in_system_folders (NpuModelFile ** file, NpuError * error)
{
  const char *folders = environment ("XDG_DATA_DIRS");

  if (!folders)
    folders = SYSTEM_FOLDERS;
  while (*folders) {
    size_t length = strcspn (folders, ":");
    NpuStatus status = length < PATH_MAX
        ? open_in_folder (folders, length, file, error) : NPU_OK;

    if (status != NPU_OK || *file)
      return status;
    folders += length + (folders[length] == ':');
  }
  return NPU_OK;
}

NpuStatus
npu_model_file_open_default (NpuModelFile ** file, NpuError * error)
{
  const char *path = environment (NPU_MODEL_ENVIRONMENT);
  NpuStatus status;

  *file = NULL;
  if (path)
    return open_because (path, "environment variable " NPU_MODEL_ENVIRONMENT,
        file, error);
  status = open_in_user_folder (file, error);
  if (status == NPU_OK && !*file)
    status = open_in_system_folders (file, error);
  if (status == NPU_OK && !*file)
    status = npu_model_file_open_builtin (file, error);
  return status;
}
