"""The recorder's database: tables, migrations, and the SQL that folds a poll into them."""
