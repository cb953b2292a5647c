/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makers and readers of the caps that the elements agree on.
 */
#include "gstnpucaps.h"

GstCaps *
gst_npu_mel_caps_new (guint bands)
{
  g_return_val_if_fail (bands == 80 || bands == 128, NULL);

  return gst_caps_from_string (bands == 80 ? GST_NPU_MEL_CAPS_OF ("80") :
      GST_NPU_MEL_CAPS_OF ("128"));
}

static gboolean
read_dimension (const GValue * dims, guint index, gint * dimension)
{
  const GValue *value = gst_value_array_get_value (dims, index);

  if (!G_VALUE_HOLDS_INT (value))
    return FALSE;
  *dimension = g_value_get_int (value);
  return TRUE;
}

gboolean
gst_npu_mel_caps_get_bands (const GstCaps * caps, guint * bands)
{
  const GstStructure *structure;
  const GValue *dims;
  gint time, columns;

  if (gst_caps_is_any (caps) || gst_caps_is_empty (caps))
    return FALSE;
  structure = gst_caps_get_structure (caps, 0);
  if (!gst_structure_has_name (structure, "tensor/strided")
      || g_strcmp0 (gst_structure_get_string (structure, "tensor-id"),
          "log-mel") != 0)
    return FALSE;
  dims = gst_structure_get_value (structure, "dims");
  if (!dims || !GST_VALUE_HOLDS_ARRAY (dims)
      || gst_value_array_get_size (dims) != 2
      || !read_dimension (dims, 0, &time)
      || !read_dimension (dims, 1, &columns))
    return FALSE;
  if (time != 0 || (columns != 80 && columns != 128))
    return FALSE;
  *bands = columns;
  return TRUE;
}
