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

GstCaps *
gst_npu_states_caps_new (guint width, const gchar * digest)
{
  GstCaps *caps = gst_caps_from_string (GST_NPU_STATES_CAPS);
  GValue dims = G_VALUE_INIT, value = G_VALUE_INIT;

  g_value_init (&dims, GST_TYPE_ARRAY);
  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, 0);
  gst_value_array_append_value (&dims, &value);
  g_value_set_int (&value, width);
  gst_value_array_append_and_take_value (&dims, &value);
  gst_caps_set_value (caps, "dims", &dims);
  g_value_unset (&dims);
  if (digest)
    gst_caps_set_simple (caps, "model-digest", G_TYPE_STRING, digest, NULL);
  return caps;
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

/* The columns of a tensor called @id whose rows follow time. */
static gboolean
read_columns (const GstCaps * caps, const gchar * id, gint * columns)
{
  const GstStructure *structure;
  const GValue *dims;
  gint time;

  if (gst_caps_is_any (caps) || gst_caps_is_empty (caps))
    return FALSE;
  structure = gst_caps_get_structure (caps, 0);
  if (!gst_structure_has_name (structure, "tensor/strided")
      || g_strcmp0 (gst_structure_get_string (structure, "tensor-id"), id) != 0)
    return FALSE;
  dims = gst_structure_get_value (structure, "dims");
  return dims && GST_VALUE_HOLDS_ARRAY (dims)
      && gst_value_array_get_size (dims) == 2
      && read_dimension (dims, 0, &time) && time == 0
      && read_dimension (dims, 1, columns);
}

gboolean
gst_npu_mel_caps_get_bands (const GstCaps * caps, guint * bands)
{
  gint columns;

  if (!read_columns (caps, "log-mel", &columns)
      || (columns != 80 && columns != 128))
    return FALSE;
  *bands = columns;
  return TRUE;
}

gboolean
gst_npu_states_caps_parse (const GstCaps * caps, guint * width,
    const gchar ** digest)
{
  gint columns;

  if (!read_columns (caps, "encoder-states", &columns) || columns <= 0)
    return FALSE;
  *width = columns;
  *digest = gst_structure_get_string (gst_caps_get_structure (caps, 0),
      "model-digest");
  return TRUE;
}
