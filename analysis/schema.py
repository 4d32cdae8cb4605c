"""Column names of the tables that flow through the house, one constant per name.

`FORMATS.md` of the project says what each file holds; the names here are those very names.
"""

# Keys
SESSION_ID = "session_id"
BASKET_ID = "basket_id"
SKU_ID = "sku_id"
ZONE_ID = "zone_id"
CATEGORY = "category"
LAYOUT = "layout"
REPLICATION = "replication"

# Tracks: `T` is a UTC timestamp, `T_S` seconds since the session's first fix
T = "t"
T_S = "t_s"
X = "x"
Y = "y"

# Receipts
QTY = "qty"
UNIT_PRICE = "unit_price"
MARGIN = "margin"
CHECKOUT_TS = "checkout_ts"

# Sessions
ENTRY_TS = "entry_ts"
DURATION_S = "duration_s"
IS_COMPLETE = "is_complete"
HAS_RECEIPT = "has_receipt"

# Journeys
VISIT = "visit"
DWELL_S = "dwell_s"

# Zone KPIs
REACH = "reach"
STOP_RATE = "stop_rate"
ENGAGE_DWELL_S = "engage_dwell_s"
VISITS = "visits"
PURCHASES = "purchases"
CONVERSION = "conversion"
PROFIT = "profit"

TRACK_COLUMNS = (SESSION_ID, T, X, Y)
RECEIPT_COLUMNS = (BASKET_ID, SESSION_ID, SKU_ID, QTY, UNIT_PRICE, MARGIN, CHECKOUT_TS)
POSITION_COLUMNS = (SESSION_ID, T_S, X, Y)
ENTRY_COLUMNS = (SESSION_ID, ZONE_ID, T_S, DWELL_S)
VISIT_COLUMNS = (SESSION_ID, VISIT, ZONE_ID, T_S, DWELL_S)
PICK_COLUMNS = (SESSION_ID, VISIT, ZONE_ID, SKU_ID, QTY, UNIT_PRICE, MARGIN)
KPI_COLUMNS = (ZONE_ID, REACH, STOP_RATE, ENGAGE_DWELL_S, VISITS, PURCHASES, CONVERSION, PROFIT)

UNKNOWN = "unknown"
"""What a customer attribute says where nothing was recorded."""
