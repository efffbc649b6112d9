"""Texts that protoc accepts, each of them with something that others have not."""

from __future__ import annotations

IMPORTS = {
    "shop/money.proto": """
        syntax = "proto3";
        package shop.money;
        message Amount { int64 units = 1; string currency = 2; }
        enum Rounding { ROUNDING_UP = 0; ROUNDING_DOWN = 1; }
    """,
    "shop/all.proto": """
        syntax = "proto3";
        package shop;
        import public "shop/money.proto";
        message Customer { string id = 1; }
    """,
    "shop/options.proto": """
        syntax = "proto2";
        package shop;
        import "google/protobuf/descriptor.proto";
        message Rule {
          optional string name = 1;
          repeated int32 levels = 2;
          optional Rule inner = 3;
          optional Mode mode = 4;
          map<string, int32> weights = 5;
          optional bytes raw = 6;
          extensions 100 to 199;
        }
        extend Rule { optional string note = 100; }
        enum Mode { OFF = 0; ON = 1; }
        extend google.protobuf.FileOptions { optional Rule file_rule = 50000; }
        extend google.protobuf.MessageOptions {
          optional Rule rule = 50000;
          repeated string tag = 50001;
        }
        extend google.protobuf.FieldOptions {
          optional string label = 50000;
          optional double factor = 50001;
          optional Mode mode = 50002;
          repeated Rule rules = 50003;
          optional fixed64 big = 50004;
          optional float small = 50005;
          optional bool flag = 50006;
          optional sint32 signed = 50007;
          optional bytes raw = 50008;
        }
        extend google.protobuf.OneofOptions { optional string oneof_note = 50000; }
        extend google.protobuf.EnumOptions { optional string enum_note = 50000; }
        extend google.protobuf.EnumValueOptions { optional string value_note = 50000; }
        extend google.protobuf.ServiceOptions { optional string service_note = 50000; }
        extend google.protobuf.MethodOptions { optional Rule method_rule = 50000; }
        extend google.protobuf.ExtensionRangeOptions { optional string range_note = 50000; }
    """,
}

TEXTS = {
    "one message": 'syntax = "proto3"; message M { string a = 1; }',
    "no syntax line": "message M { optional string a = 1; required int32 b = 2; }",
    "comments everywhere": """
        // the file
        syntax /* a */ = /* b */ "proto3"; // c
        package /* of */ shop . orders /* dots */ ;
        message /* name */ M { // inside
          string /* type */ a /* name */ = /* number */ 1 [ /* options */
            deprecated = /* yes */ true // last
          ] /* end */;
          map < /* key */ string , /* value */ int32 > m = 2; /**/ ; ;
        } /* unusual **/
    """,
    "numbers of every base": """
        syntax = "proto2";
        message M {
          optional int32 a = 0x10; optional int32 b = 021; optional int32 c = 18;
          reserved 0x20 to 0x2F, 060;
          enum E { A = -0x1; B = -010; C = 2147483647; D = -2147483648; }
        }
    """,
    "every scalar": """
        syntax = "proto3";
        message M {
          double a = 1; float b = 2; int32 c = 3; int64 d = 4; uint32 e = 5; uint64 f = 6;
          sint32 g = 7; sint64 h = 8; fixed32 i = 9; fixed64 j = 10; sfixed32 k = 11;
          sfixed64 l = 12; bool m = 13; string n = 14; bytes o = 15;
        }
    """,
    "optional and oneofs of proto3": """
        syntax = "proto3";
        message M {
          optional int32 a = 1; string b = 2; optional M _c = 3;
          oneof first { string d = 4; M e = 5; }
          optional string f = 6;
          oneof second { bytes g = 7; }
        }
    """,
    "made-up oneofs avoid names": """
        syntax = "proto3";
        message M { optional int32 a = 1; string _a = 2; string X_a = 3; }
    """,
    "maps": """
        syntax = "proto3";
        package a.b;
        message M {
          map<string, M> by_name = 1; map<int64, Inner> other_Map = 2; map<bool, bytes> x1_y2 = 3;
          map<sfixed64, .a.b.E> e = 4; string after = 5;
          message Inner { map<string, Inner> deep = 1; }
        }
        enum E { ZERO = 0; }
    """,
    "groups": """
        syntax = "proto2";
        message M {
          optional group Result = 1 { required string url = 1; repeated group Part = 2 {} }
          oneof o { group Chosen = 3 { optional int32 x = 1; } string other = 4; }
          repeated group Opts = 5 [deprecated = true] { }
          extensions 10 to 20;
        }
        extend M { optional group Extra = 10 { optional M m = 1; } }
    """,
    "defaults": r"""
        syntax = "proto2";
        message M {
          optional float f1 = 1 [default = 1e20]; optional float f2 = 2 [default = 0.1];
          optional float f3 = 3 [default = -inf]; optional float f4 = 4 [default = nan];
          optional float f5 = 5 [default = 16777217]; optional float f6 = 6 [default = 1.5e-30];
          optional double d1 = 7 [default = -1.1e-7]; optional double d2 = 8 [default = 3.];
          optional double d3 = 9 [default = .5]; optional double d4 = 10 [default = 1e400];
          optional double d5 = 11 [default = 0.30000000000000004];
          optional int64 i1 = 12 [default = -0x8000000000000000];
          optional uint64 i2 = 13 [default = 18446744073709551615];
          optional bool b = 14 [default = true];
          optional string s = 15 [default = "a\n\x41\101\u00e9\"" 'b"' ];
          optional bytes y = 16 [default = "\000\377\a'\"\\é"];
          optional E e = 17 [default = TWO];
          enum E { ONE = 1; TWO = 2; }
        }
    """,
    "names": """
        syntax = "proto3";
        message M {
          int32 user_id = 1; int32 __x__y_ = 2; int32 A_b = 3; int32 a1_2b = 4;
          int32 given = 5 [json_name = "@type"];
          string message = 6; string reserved = 7; optional string optional = 8;
          repeated string repeated = 9; string map = 10; string group = 11; string to = 12;
          string max = 13; string stream = 14; string syntax = 15; string import = 16;
        }
        message message { } message map { map map = 1; }
    """,
    "scopes": """
        syntax = "proto3";
        package a.b;
        message A {
          message B { message C { A a = 1; B b = 2; b.A c = 3; .a.b.A.B d = 4; } }
          B.C x = 1;
        }
        message C { A.B.C c = 1; a.b.C d = 2; C e = 3; }
        message D { string C = 1; C other = 2; message E { E e = 1; } E e = 3; }
    """,
    "reserved and extension ranges": """
        syntax = "proto2";
        message M {
          reserved 2, 15, 9 to 11, 1000 to max; reserved "foo", "bar";
          extensions 100 to 199, 300; extensions 500 to 536;
          optional int32 a = 1;
        }
        extend M { optional string x = 100; repeated M y = 199; }
        message Holder { extend M { optional Holder h = 300; } }
    """,
    "enums": """
        syntax = "proto3";
        enum E {
          option allow_alias = true; option deprecated = true;
          E_UNSET = 0; E_ONE = 1 [deprecated = true]; E_UNO = 1; E_MINUS = -1;
          reserved 5 to 7, -20 to -10, 1000 to max; reserved "E_OLD";
        }
    """,
    "options that protoc knows": """
        syntax = "proto2";
        package a;
        option java_package = "com.example";
        option java_multiple_files = true;
        option optimize_for = SPEED;
        option go_package = "example.com/a;a";
        message M {
          option deprecated = true;
          repeated int32 p = 1 [packed = true];
          optional string c = 2 [ctype = CORD, deprecated = false];
          optional int64 j = 3 [jstype = JS_STRING];
          optional M l = 4 [lazy = true];
          optional int32 t = 5 [targets = TARGET_TYPE_FIELD, debug_redact = true];
          extensions 10 to 20 [
            declaration = { number: 10, full_name: ".a.x", type: "string" },
            verification = DECLARATION
          ];
        }
        extend M { optional string x = 10; }
    """,
    "services": """
        syntax = "proto3";
        package a;
        message Q { message R { } }
        service S {
          option deprecated = true;
          rpc One (Q) returns (Q.R);
          rpc Two (stream .a.Q) returns (stream a.Q.R) {
            option idempotency_level = NO_SIDE_EFFECTS; ;
          }
          rpc Three (Q) returns (stream Q) { }
        }
    """,
    "imports": """
        syntax = "proto3";
        package shop.orders;
        import "shop/all.proto";
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        import "google/type/money.proto";
        import "google/type/datetime.proto";
        message Order {
          shop.Customer customer = 1; money.Amount total = 2; .shop.money.Rounding rounding = 3;
          google.protobuf.Timestamp at = 4; google.type.Money other = 5;
          map<string, google.protobuf.StringValue> notes = 6; google.type.DateTime when = 7;
        }
    """,
    "weak and public imports": """
        syntax = "proto2";
        import weak "shop/money.proto";
        import public "google/protobuf/any.proto";
        message M { optional google.protobuf.Any any = 1; optional shop.money.Amount a = 2; }
    """,
    "custom options of an import": r"""
        syntax = "proto3";
        package use;
        import "shop/options.proto";
        option (shop.file_rule) = { name: "a" levels: [1, 2] levels: 3 inner { mode: ON } };
        message M {
          option (shop.rule).name = "x";
          option (.shop.rule).inner.inner.name = "y" "z";
          option (shop.rule).inner.mode = ON;
          option (shop.rule).(shop.note) = "n";
          option (shop.tag) = "one"; option (shop.tag) = "two";
          string a = 1 [
            (shop.label) = "l\u00e9", (shop.factor) = -1.5e3, (shop.mode) = OFF,
            (shop.big) = 0xFFFFFFFFFFFFFFFF, (shop.small) = inf,
            (shop.flag) = false, (shop.signed) = -7, (shop.raw) = "\377",
            (shop.rules) = { weights { key: "k" value: 1 } weights: { key: "m" }, raw: "\001" },
            (shop.rules) = { inner < [shop.note]: 'q'; name: "w" > }
          ];
          oneof o { option (shop.oneof_note) = "o"; string b = 2; }
        }
        enum E { option (shop.enum_note) = "e"; ZERO = 0 [(shop.value_note) = "v"]; }
        service S {
          option (shop.service_note) = "s";
          rpc A (M) returns (M) { option (shop.method_rule) = { }; }
        }
    """,
    "custom options of the file itself": """
        syntax = "proto2";
        package own;
        import "google/protobuf/descriptor.proto";
        option (own.on_file).part.a = 1;
        option (on_file).part.b = "x";
        message Part { optional int32 a = 1; optional string b = 2; }
        message Whole { optional Part part = 1; repeated Part parts = 2; }
        extend google.protobuf.FileOptions { optional Whole on_file = 60000; }
        message M {
          extend google.protobuf.FieldOptions { optional Part here = 60001; }
          optional string a = 1 [(here).a = 3, (M.here).b = "c"];
          optional string b = 2 [(here) = { a: 5 }];
        }
    """,
    "confluent's options": """
        syntax = "proto3";
        import "confluent/meta.proto";
        import "confluent/type/decimal.proto";
        message M {
          option (confluent.message_meta).doc = "orders";
          confluent.type.Decimal price = 1 [(confluent.field_meta) = {
            params: [{ key: "precision", value: "8" }, { key: "scale", value: "3" }]
            tags: "PII"
          }];
        }
    """,
    "edition 2023": """
        edition = "2023";
        package ed;
        option features.enum_type = CLOSED;
        message M {
          option features.json_format = LEGACY_BEST_EFFORT;
          int32 same_name = 8; int32 sameName = 9;
          map<string, M> m_x = 1 [features.utf8_validation = NONE];
          G g = 2 [features.message_encoding = LENGTH_PREFIXED];
          message G { reserved foo, bar; reserved 3 to 5; }
          int32 a = 3 [features.field_presence = IMPLICIT];
          int32 b = 4 [features.field_presence = LEGACY_REQUIRED];
          repeated int32 c = 5 [features.repeated_field_encoding = EXPANDED];
          int32 d = 6 [default = 7];
          extensions 10 to 20;
        }
        enum E { ONE = 1; reserved OLD; }
        extend M { string x = 10; }
    """,
    "edition 2024": """
        edition = "2024";
        package ed;
        option features.enforce_naming_style = STYLE_LEGACY;
        export message M { local enum E { E_ZERO = 0; } export message In { E e = 1; } }
        local message L { M m = 1; }
    """,
    "only an enum": "enum E { A = 3; }",
    "an empty message": 'syntax = "proto3"; message M {}',
    "a byte order mark": '\ufeffsyntax = "proto3"; message M {}',
    "conflicts that proto2 only warns of": """
        syntax = "proto2";
        message M { optional int32 a_b = 1; optional int32 aB = 2; }
        enum E { option deprecated_legacy_json_field_conflicts = true; E_A = 1; A = 2; }
    """,
    "a field and a type of one name": """
        syntax = "proto3";
        message Outer { message Name { string value = 1; } Name Name2 = 1; }
        message Other { Outer.Name name = 1; Outer Outer = 2; }
    """,
}
