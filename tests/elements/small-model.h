/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Models for tests of elements: ggml files with sane random weights that run
 * in no time. What they write is nonsense, but always the same.
 */
#ifndef TESTS_ELEMENTS_SMALL_MODEL_H
#define TESTS_ELEMENTS_SMALL_MODEL_H

#include <glib.h>

typedef struct
{
  guint bands;
  guint positions;              /* of the whole context, 20 ms each */
  guint width;
  guint64 seed;
} SmallModel;

/* 80 bands, 1 s of context. */
extern const SmallModel small_model_default;

/* Path of such a model's file; the folder of test_folder() holds it. */
const gchar *small_model_write (const SmallModel * model);

#endif
