"""The kinds of difference between two JSON schemas, and which of them a reader can live with. Pure.

The names are those of the anchor registry, release line 8 (`errorType` in its answers); only
`COMPARISON_TOO_LARGE` is ours. Of `PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL`, its name up to line 7,
three kinds stand here: required, required with a default, optional.

A difference with a sentence is an incompatibility; one without is none. LENIENT forgives those
about the content model of objects: clients that ignore properties they do not know can live with
them.
"""

from __future__ import annotations

import enum

from sprawl.schema_registry.schemas import Policy


class Kind(enum.Enum):
    """One way in which a reader's schema differs from the writer's."""

    # annotations
    ID_CHANGED = enum.auto()
    TITLE_CHANGED = enum.auto()
    DESCRIPTION_CHANGED = enum.auto()
    DEFAULT_CHANGED = enum.auto()
    # presence and type
    SCHEMA_ADDED = enum.auto()
    SCHEMA_REMOVED = enum.auto()
    TYPE_EXTENDED = enum.auto()
    TYPE_NARROWED = enum.auto()
    TYPE_CHANGED = enum.auto()
    # strings
    MAX_LENGTH_ADDED = enum.auto()
    MAX_LENGTH_REMOVED = enum.auto()
    MAX_LENGTH_INCREASED = enum.auto()
    MAX_LENGTH_DECREASED = enum.auto()
    MIN_LENGTH_ADDED = enum.auto()
    MIN_LENGTH_REMOVED = enum.auto()
    MIN_LENGTH_INCREASED = enum.auto()
    MIN_LENGTH_DECREASED = enum.auto()
    PATTERN_ADDED = enum.auto()
    PATTERN_REMOVED = enum.auto()
    PATTERN_CHANGED = enum.auto()
    # numbers
    MAXIMUM_ADDED = enum.auto()
    MAXIMUM_REMOVED = enum.auto()
    MAXIMUM_INCREASED = enum.auto()
    MAXIMUM_DECREASED = enum.auto()
    MINIMUM_ADDED = enum.auto()
    MINIMUM_REMOVED = enum.auto()
    MINIMUM_INCREASED = enum.auto()
    MINIMUM_DECREASED = enum.auto()
    EXCLUSIVE_MAXIMUM_ADDED = enum.auto()
    EXCLUSIVE_MAXIMUM_REMOVED = enum.auto()
    EXCLUSIVE_MAXIMUM_INCREASED = enum.auto()
    EXCLUSIVE_MAXIMUM_DECREASED = enum.auto()
    EXCLUSIVE_MINIMUM_ADDED = enum.auto()
    EXCLUSIVE_MINIMUM_REMOVED = enum.auto()
    EXCLUSIVE_MINIMUM_INCREASED = enum.auto()
    EXCLUSIVE_MINIMUM_DECREASED = enum.auto()
    MULTIPLE_OF_ADDED = enum.auto()
    MULTIPLE_OF_REMOVED = enum.auto()
    MULTIPLE_OF_EXPANDED = enum.auto()
    MULTIPLE_OF_REDUCED = enum.auto()
    MULTIPLE_OF_CHANGED = enum.auto()
    # objects
    REQUIRED_ATTRIBUTE_ADDED = enum.auto()
    REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED = enum.auto()
    REQUIRED_ATTRIBUTE_REMOVED = enum.auto()
    MAX_PROPERTIES_ADDED = enum.auto()
    MAX_PROPERTIES_REMOVED = enum.auto()
    MAX_PROPERTIES_INCREASED = enum.auto()
    MAX_PROPERTIES_DECREASED = enum.auto()
    MIN_PROPERTIES_ADDED = enum.auto()
    MIN_PROPERTIES_REMOVED = enum.auto()
    MIN_PROPERTIES_INCREASED = enum.auto()
    MIN_PROPERTIES_DECREASED = enum.auto()
    ADDITIONAL_PROPERTIES_ADDED = enum.auto()
    ADDITIONAL_PROPERTIES_REMOVED = enum.auto()
    ADDITIONAL_PROPERTIES_EXTENDED = enum.auto()
    ADDITIONAL_PROPERTIES_NARROWED = enum.auto()
    UNEVALUATED_PROPERTIES_ADDED = enum.auto()
    UNEVALUATED_PROPERTIES_REMOVED = enum.auto()
    UNEVALUATED_PROPERTIES_EXTENDED = enum.auto()
    UNEVALUATED_PROPERTIES_NARROWED = enum.auto()
    DEPENDENCY_ARRAY_ADDED = enum.auto()
    DEPENDENCY_ARRAY_REMOVED = enum.auto()
    DEPENDENCY_ARRAY_EXTENDED = enum.auto()
    DEPENDENCY_ARRAY_NARROWED = enum.auto()
    DEPENDENCY_ARRAY_CHANGED = enum.auto()
    DEPENDENCY_SCHEMA_ADDED = enum.auto()
    DEPENDENCY_SCHEMA_REMOVED = enum.auto()
    # properties, by the content model
    PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL = enum.auto()
    REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL = enum.auto()
    REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL = enum.auto()
    OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL = enum.auto()
    REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL = enum.auto()
    REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL = enum.auto()
    OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL = enum.auto()
    PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = enum.auto()
    PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = enum.auto()
    PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL = enum.auto()
    PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL = enum.auto()
    PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL = enum.auto()
    PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = enum.auto()
    PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = enum.auto()
    # arrays
    MAX_ITEMS_ADDED = enum.auto()
    MAX_ITEMS_REMOVED = enum.auto()
    MAX_ITEMS_INCREASED = enum.auto()
    MAX_ITEMS_DECREASED = enum.auto()
    MIN_ITEMS_ADDED = enum.auto()
    MIN_ITEMS_REMOVED = enum.auto()
    MIN_ITEMS_INCREASED = enum.auto()
    MIN_ITEMS_DECREASED = enum.auto()
    MAX_CONTAINS_ADDED = enum.auto()
    MAX_CONTAINS_REMOVED = enum.auto()
    MAX_CONTAINS_INCREASED = enum.auto()
    MAX_CONTAINS_DECREASED = enum.auto()
    MIN_CONTAINS_ADDED = enum.auto()
    MIN_CONTAINS_REMOVED = enum.auto()
    MIN_CONTAINS_INCREASED = enum.auto()
    MIN_CONTAINS_DECREASED = enum.auto()
    UNIQUE_ITEMS_ADDED = enum.auto()
    UNIQUE_ITEMS_REMOVED = enum.auto()
    ADDITIONAL_ITEMS_ADDED = enum.auto()
    ADDITIONAL_ITEMS_REMOVED = enum.auto()
    ADDITIONAL_ITEMS_EXTENDED = enum.auto()
    ADDITIONAL_ITEMS_NARROWED = enum.auto()
    UNEVALUATED_ITEMS_ADDED = enum.auto()
    UNEVALUATED_ITEMS_REMOVED = enum.auto()
    UNEVALUATED_ITEMS_EXTENDED = enum.auto()
    UNEVALUATED_ITEMS_NARROWED = enum.auto()
    # items of a tuple, by the content model
    ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL = enum.auto()
    ITEM_ADDED_TO_OPEN_CONTENT_MODEL = enum.auto()
    ITEM_ADDED_TO_CLOSED_CONTENT_MODEL = enum.auto()
    ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = enum.auto()
    ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = enum.auto()
    ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL = enum.auto()
    ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL = enum.auto()
    ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL = enum.auto()
    ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = enum.auto()
    ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = enum.auto()
    # values and combinations
    ENUM_ARRAY_EXTENDED = enum.auto()
    ENUM_ARRAY_NARROWED = enum.auto()
    ENUM_ARRAY_CHANGED = enum.auto()
    COMBINED_TYPE_EXTENDED = enum.auto()
    COMBINED_TYPE_CHANGED = enum.auto()
    PRODUCT_TYPE_EXTENDED = enum.auto()
    PRODUCT_TYPE_NARROWED = enum.auto()
    SUM_TYPE_EXTENDED = enum.auto()
    SUM_TYPE_NARROWED = enum.auto()
    COMBINED_TYPE_SUBSCHEMAS_CHANGED = enum.auto()
    NOT_TYPE_EXTENDED = enum.auto()
    NOT_TYPE_NARROWED = enum.auto()
    COMPARISON_TOO_LARGE = enum.auto()

    def compatible(self, policy: Policy) -> bool:
        """Whether a reader can read in spite of it."""
        if self not in SENTENCES:
            return True
        return policy is Policy.LENIENT and self in FORGIVEN_BY_LENIENT


FORGIVEN_BY_LENIENT = frozenset(
    {
        Kind.ADDITIONAL_PROPERTIES_REMOVED,
        Kind.ADDITIONAL_PROPERTIES_NARROWED,
        Kind.REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL,
        Kind.OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL,
        Kind.PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL,
        Kind.PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL,
        Kind.PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL,
    }
)

SENTENCES = {
    Kind.SCHEMA_ADDED: "the reader demands something here and the writer nothing; leave it out",
    Kind.TYPE_NARROWED: "the reader takes fewer types than the writer; keep the wider type",
    Kind.TYPE_CHANGED: "the reader takes another type than the writer; add the writer's type to it",
    Kind.MAX_LENGTH_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MAX_LENGTH_DECREASED: "the reader's limit is lower; keep the writer's",
    Kind.MIN_LENGTH_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MIN_LENGTH_INCREASED: "the reader's limit is higher; keep the writer's",
    Kind.PATTERN_ADDED: "the reader demands a pattern and the writer none; leave it out",
    Kind.PATTERN_CHANGED: "the reader demands another pattern than the writer; keep the pattern",
    Kind.MAXIMUM_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MAXIMUM_DECREASED: "the reader's limit is lower; keep the writer's",
    Kind.MINIMUM_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MINIMUM_INCREASED: "the reader's limit is higher; keep the writer's",
    Kind.EXCLUSIVE_MAXIMUM_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.EXCLUSIVE_MAXIMUM_DECREASED: "the reader's limit is lower; keep the writer's",
    Kind.EXCLUSIVE_MINIMUM_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.EXCLUSIVE_MINIMUM_INCREASED: "the reader's limit is higher; keep the writer's",
    Kind.MULTIPLE_OF_ADDED: (
        "the reader demands multiples and the writer any number; leave multipleOf out"
    ),
    Kind.MULTIPLE_OF_EXPANDED: (
        "the reader's multipleOf is a multiple of the writer's; keep the smaller one"
    ),
    Kind.MULTIPLE_OF_CHANGED: (
        "the reader's multipleOf does not divide the writer's; keep the writer's"
    ),
    Kind.REQUIRED_ATTRIBUTE_ADDED: (
        "the reader requires this property and the writer may leave it out; give it a default "
        "or make it optional"
    ),
    Kind.MAX_PROPERTIES_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MAX_PROPERTIES_DECREASED: "the reader's limit is lower; keep the writer's",
    Kind.MIN_PROPERTIES_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MIN_PROPERTIES_INCREASED: "the reader's limit is higher; keep the writer's",
    Kind.ADDITIONAL_PROPERTIES_REMOVED: "the reader refuses what the writer lets through; allow it",
    Kind.ADDITIONAL_PROPERTIES_NARROWED: "the reader demands more than the writer; demand less",
    Kind.UNEVALUATED_PROPERTIES_REMOVED: (
        "the reader refuses what the writer lets through; allow it"
    ),
    Kind.UNEVALUATED_PROPERTIES_NARROWED: "the reader demands more than the writer; demand less",
    Kind.DEPENDENCY_ARRAY_ADDED: (
        "with this property the reader requires others and the writer none; leave the "
        "dependency out"
    ),
    Kind.DEPENDENCY_ARRAY_EXTENDED: (
        "with this property the reader requires more others than the writer; require no more"
    ),
    Kind.DEPENDENCY_ARRAY_CHANGED: (
        "with this property the reader requires other properties than the writer; require no "
        "new ones"
    ),
    Kind.DEPENDENCY_SCHEMA_ADDED: (
        "with this property the reader demands a schema and the writer none; leave the "
        "dependency out"
    ),
    Kind.REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL: (
        "the reader requires a property that the writer does not describe and lets through "
        "with any value; close the writer's content model first, and give the property a "
        "default"
    ),
    Kind.REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL: (
        "the reader describes a property that the writer lets through with any value; close "
        "the writer's content model first (additionalProperties: false)"
    ),
    Kind.OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL: (
        "the reader describes a property that the writer lets through with any value; close "
        "the writer's content model first (additionalProperties: false)"
    ),
    Kind.REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL: (
        "the reader requires a property that the writer does not have; give it a default or "
        "make it optional"
    ),
    Kind.PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: (
        "the reader describes a property that the writer describes with patternProperties or "
        "additionalProperties only, and differently; take everything those allow"
    ),
    Kind.PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL: (
        "the reader refuses a property that the writer has; keep it, or open the reader's "
        "content model"
    ),
    Kind.PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: (
        "the reader no longer describes a property of the writer, and its patternProperties "
        "or additionalProperties refuse what the writer puts there; keep the property"
    ),
    Kind.MAX_ITEMS_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MAX_ITEMS_DECREASED: "the reader's limit is lower; keep the writer's",
    Kind.MIN_ITEMS_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MIN_ITEMS_INCREASED: "the reader's limit is higher; keep the writer's",
    Kind.MAX_CONTAINS_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MAX_CONTAINS_DECREASED: "the reader's limit is lower; keep the writer's",
    Kind.MIN_CONTAINS_ADDED: "the reader sets a limit and the writer none; leave it out",
    Kind.MIN_CONTAINS_INCREASED: "the reader's limit is higher; keep the writer's",
    Kind.UNIQUE_ITEMS_ADDED: (
        "the reader demands items without repetition and the writer does not; leave uniqueItems out"
    ),
    Kind.ADDITIONAL_ITEMS_REMOVED: "the reader refuses what the writer lets through; allow it",
    Kind.ADDITIONAL_ITEMS_NARROWED: "the reader demands more than the writer; demand less",
    Kind.UNEVALUATED_ITEMS_REMOVED: "the reader refuses what the writer lets through; allow it",
    Kind.UNEVALUATED_ITEMS_NARROWED: "the reader demands more than the writer; demand less",
    Kind.ITEM_ADDED_TO_OPEN_CONTENT_MODEL: (
        "the reader describes an item that the writer lets through with any value; forbid "
        "further items in the writer first"
    ),
    Kind.ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: (
        "the reader describes an item differently from the writer's schema of further items; "
        "take everything that allows"
    ),
    Kind.ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL: (
        "the reader refuses an item that the writer has; keep it, or allow further items"
    ),
    Kind.ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL: (
        "the reader no longer describes an item of the writer, and its schema of further "
        "items refuses what the writer puts there; keep the item"
    ),
    Kind.ENUM_ARRAY_NARROWED: "the reader lacks values that the writer may write; keep them",
    Kind.ENUM_ARRAY_CHANGED: (
        "the reader has other values than the writer; keep the writer's and add to them"
    ),
    Kind.COMBINED_TYPE_CHANGED: (
        "the reader combines its schemas in a stricter way than the writer; keep the keyword, "
        "or use anyOf"
    ),
    Kind.PRODUCT_TYPE_EXTENDED: (
        "the reader demands more schemas together than the writer; leave the new ones out"
    ),
    Kind.SUM_TYPE_NARROWED: "the reader has fewer alternatives than the writer; keep them",
    Kind.COMBINED_TYPE_SUBSCHEMAS_CHANGED: (
        "not every alternative or part can be paired with one of the writer that it can read; "
        "keep them readable one by one"
    ),
    Kind.NOT_TYPE_EXTENDED: "the reader excludes more than the writer; exclude no more",
    Kind.COMPARISON_TOO_LARGE: (
        "the two schemas have more alternatives inside alternatives than one comparison looks "
        "at; make them simpler"
    ),
}
"""What is wrong, and how it could be made right, for every kind that is not compatible."""
