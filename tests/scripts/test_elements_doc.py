# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/elements.md names exactly the pads, properties and defaults that the
elements have.

A property stands there as a row of a table: | `name` | type | `default` | ...
"""
import re
import sys

import gi

from media import source_root
from tap import case, equal, run_cases

gi.require_version('Gst', '1.0')
from gi.repository import GObject, Gst  # noqa: E402

Gst.init(None)
text = (source_root / 'docs' / 'elements.md').read_text()


def documented():
    """{element: section of the document}"""
    parts = re.split(r'^## (\w+)$', text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def default_of(element, spec):
    value = element.get_property(spec.name)
    if spec.value_type.is_a(GObject.TYPE_ENUM):
        return value.value_nick
    if spec.value_type.is_a(GObject.TYPE_FLOAT):
        return f'{value:.1f}'
    if value is None:
        return 'none'
    if value == '':
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def own_properties(element):
    for spec in element.list_properties():
        if spec.owner_type == element.__gtype__:
            yield spec


@case
def every_element_of_the_plugin_has_a_section():
    features = Gst.Registry.get().get_feature_list_by_plugin('npu')
    equal(sorted(f.get_name() for f in features if isinstance(f, Gst.ElementFactory)),
          sorted(documented()), 'elements')


@case
def the_tables_of_properties_are_complete_and_true():
    for name, section in documented().items():
        element = Gst.ElementFactory.make(name)
        rows = re.search(r'^\| property \|.*?\n\n', section, re.M | re.S).group()
        table = dict(re.findall(r'^\| `([\w-]+)` \| [^|]+ \| `([^`|]*)` \|', rows, re.M))
        actual = {spec.name: default_of(element, spec)
                  for spec in own_properties(element)}
        if 'stats' in actual:
            actual['stats'] = 'see text'
        equal(table, actual, f'properties of {name}')


@case
def every_pad_template_is_named():
    for name, section in documented().items():
        for template in Gst.ElementFactory.find(name).get_static_pad_templates():
            equal(f'`{template.name_template}`' in section, True,
                  f'pad {template.name_template} of {name}')


sys.exit(run_cases())
