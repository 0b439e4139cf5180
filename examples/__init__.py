"""Small applications that run on Trunkline as they stand."""
